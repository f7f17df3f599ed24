"""Classes one by one, because accuracy hides the small ones: recall, precision, F1, the confusion, and what is lost.

macro-F1 and balanced accuracy are means over the classes that occur in the test rows (as scikit-learn's f1_score with
these labels, and balanced_accuracy_score; Brodersen et al. 2010, doi:10.1109/ICPR.2010.764). Intervals are Wilson's and
take rows as independent. Legend: K classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TypedDict

from whet.evaluation.class_facts import ClassFacts, ConfusionFacts, LostClassFacts
from whet.evaluation.facts import Evaluation
from whet.stats.paired import wilson
from whet.stats.power import ALPHA, mcnemar_p

LARGEST = 20
"""Classes that the confusion matrix shows; the rest are one."""
OTHER = "(other)"
FEWEST_ROWS, MISSED = 5, 0.5
"""A class is missed where the recall's interval lies below MISSED, of at least FEWEST_ROWS rows."""
NAMED = 3

Names = Sequence[Sequence[str]]
"""The classes of each row; one each where a row has one class."""


class ClassTable(TypedDict):
    macro_f1: float
    balanced_accuracy: float
    labels: dict[str, ClassFacts]


def class_facts(wanted: Names, named: Names) -> ClassTable:
    """macro_f1, balanced_accuracy, and `labels`: of each class in `wanted` its rows, how often it was given, found
    (rightly), recall, precision (None if it was never given), both with intervals, and f1."""
    rows, given, found = _count(wanted), _count(named), Counter[str]()
    for expected, answered in zip(wanted, named, strict=True):
        found.update(set(expected) & set(answered))

    labels = {name: _label_facts(rows[name], given[name], found[name]) for name in sorted(rows)}
    f1 = [entry["f1"] for entry in labels.values()]
    recall = [entry["recall"] for entry in labels.values()]
    return {"macro_f1": _mean(f1), "balanced_accuracy": _mean(recall), "labels": labels}


def _count(names: Names) -> Counter[str]:
    """In how many rows each class occurs."""
    counts: Counter[str] = Counter()
    for row in names:
        counts.update(set(row))
    return counts


def _label_facts(rows: int, given: int, found: int) -> ClassFacts:
    precision, precision_interval = None, None
    if given:
        precision, precision_interval = found / given, list(wilson(found, given))

    return {
        "rows": rows,
        "given": given,
        "found": found,
        "recall": found / rows,
        "recall_interval": list(wilson(found, rows)),
        "precision": precision,
        "precision_interval": precision_interval,
        "f1": 2 * found / (rows + given),
    }


def confusion(wanted: Sequence[str], named: Sequence[str]) -> ConfusionFacts:
    """`rows[i][j]`: test rows of class i that were given class j, of the largest classes; the last line and column are
    all other classes together, and the column also what is no class at all."""
    counts = Counter(wanted)
    largest = sorted(counts, key=lambda name: (-counts[name], name))[:LARGEST]
    place = {name: number for number, name in enumerate(largest)}
    size = len(largest) + 1

    rows = [[0] * size for _ in range(size)]
    for expected, answered in zip(wanted, named, strict=True):
        rows[place.get(expected, size - 1)][place.get(answered, size - 1)] += 1
    return {"classes": [*largest, OTHER], "rows": rows}


def lost_classes(wanted: Names, base: Names, tuned: Names) -> list[LostClassFacts]:
    """Classes that the tuned model surely misses, or finds significantly less often than the base (McNemar's mid-p
    on the rows of the class, at 5% over all K classes together), the largest first."""
    before = class_facts(wanted, base)["labels"]
    after = class_facts(wanted, tuned)["labels"]

    lost: list[LostClassFacts] = []
    for name, entry in after.items():
        gained = dropped = 0
        for expected, base_names, tuned_names in zip(wanted, base, tuned, strict=True):
            if name in expected:
                gained += name in tuned_names and name not in base_names
                dropped += name in base_names and name not in tuned_names

        worse = dropped > gained and mcnemar_p(dropped, gained) < ALPHA / len(after)
        missed = entry["rows"] >= FEWEST_ROWS and entry["recall_interval"][1] < MISSED
        if worse or missed:
            lost.append(
                {
                    "label": name,
                    "rows": entry["rows"],
                    "found": entry["found"],
                    "recall": entry["recall"],
                    "recall_interval": entry["recall_interval"],
                    "base_found": before[name]["found"],
                    "worse": worse,
                }
            )

    return sorted(lost, key=lambda entry: (-entry["rows"], entry["label"]))


def state_lost(lost: Sequence[LostClassFacts], classes: int) -> str:
    """`But classes are lost: it finds 1 of 12 'spam' (1.5% to 35.4%).`, a sentence that follows the verdict's first; ""
    if none is lost."""
    if not lost:
        return ""

    parts = []
    for entry in lost[:NAMED]:
        low, high = entry["recall_interval"]
        base = ""
        if entry["worse"]:
            base = f", the base {entry['base_found']:,}"

        parts.append(
            f"{entry['found']:,} of {entry['rows']:,} {entry['label']!r} ({100 * low:.1f}% to {100 * high:.1f}%{base})"
        )

    if len(lost) > len(parts):
        more = f" and misses {len(lost) - len(parts):,} more"
    else:
        more = ""

    if classes > NAMED:
        of_all = f", {len(lost):,} of {classes:,} classes are lost"
    else:
        of_all = ""

    return f" But classes are lost: it finds {_listed(parts)}{more}{of_all}."


def tell_lost(facts: Evaluation, wanted: Names, base: Names, tuned: Names) -> None:
    """Writes the key `lost_classes` and adds to the verdict's sentence; a class that the base finds more often is a
    caution."""
    lost = lost_classes(wanted, base, tuned)
    facts["lost_classes"] = lost
    facts["verdict"]["sentence"] += state_lost(lost, len(facts["tuned"].get("labels") or {}))
    worse = [entry for entry in lost if entry["worse"]]
    if worse:
        names = _listed([repr(entry["label"]) for entry in worse[:NAMED]])
        facts["caution"] = f"it finds {names} less often than the base did"


def _listed(parts: Sequence[str]) -> str:
    if len(parts) > 1:
        return " and ".join([", ".join(parts[:-1]), parts[-1]])
    return parts[0]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(1, len(values))
