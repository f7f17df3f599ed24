"""Classes one by one, because accuracy hides the small ones: recall, precision, F1, the confusion, and what is lost.

macro-F1 and balanced accuracy are means over the classes that occur in the test rows (as scikit-learn's f1_score with
these labels, and balanced_accuracy_score; Brodersen et al. 2010, doi:10.1109/ICPR.2010.764). Intervals are Wilson's and
take rows as independent. Legend: K classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

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


def class_facts(wanted: Names, named: Names) -> dict[str, Any]:
    """macro_f1, balanced_accuracy, and `labels`: of each class in `wanted` its rows, how often it was given, found
    (rightly), recall, precision (None where never given), both with intervals, and f1."""
    rows, given = (Counter(name for row in side for name in set(row)) for side in (wanted, named))
    found = Counter(name for there, said in zip(wanted, named, strict=True) for name in set(there) & set(said))

    labels = {}
    for name in sorted(rows):
        labels[name] = {
            "rows": rows[name],
            "given": given[name],
            "found": found[name],
            "recall": found[name] / rows[name],
            "recall_interval": list(wilson(found[name], rows[name])),
            "precision": found[name] / given[name] if given[name] else None,
            "precision_interval": list(wilson(found[name], given[name])) if given[name] else None,
            "f1": 2 * found[name] / (rows[name] + given[name]),
        }

    return {
        "macro_f1": _mean([entry["f1"] for entry in labels.values()]),
        "balanced_accuracy": _mean([entry["recall"] for entry in labels.values()]),
        "labels": labels,
    }


def confusion(wanted: Sequence[str], named: Sequence[str]) -> dict[str, Any]:
    """`rows[i][j]`: test rows of class i that were given class j, of the largest classes; the last line and column are
    all other classes together, and the column also what is no class at all."""
    counts = Counter(wanted)
    largest = [name for name, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:LARGEST]]
    place = {name: number for number, name in enumerate(largest)}
    size = len(largest) + 1

    rows = [[0] * size for _ in range(size)]
    for there, said in zip(wanted, named, strict=True):
        rows[place.get(there, size - 1)][place.get(said, size - 1)] += 1
    return {"classes": [*largest, OTHER], "rows": rows}


def lost_classes(wanted: Names, base: Names, tuned: Names) -> list[dict[str, Any]]:
    """Classes that the tuned model misses for sure, or finds significantly less often than the base (McNemar's mid-p
    on the rows of the class, at 5% over all K classes together), the largest first."""
    before, after = class_facts(wanted, base)["labels"], class_facts(wanted, tuned)["labels"]
    lost = []
    for name, entry in after.items():
        gained = dropped = 0
        for there, one, other in zip(wanted, base, tuned, strict=True):
            if name in there:
                gained += name in other and name not in one
                dropped += name in one and name not in other

        worse = dropped > gained and mcnemar_p(dropped, gained) < ALPHA / len(after)
        missed = entry["rows"] >= FEWEST_ROWS and entry["recall_interval"][1] < MISSED
        if worse or missed:
            facts = {key: entry[key] for key in ("rows", "found", "recall", "recall_interval")}
            lost.append({"label": name, **facts, "base_found": before[name]["found"], "worse": worse})

    return sorted(lost, key=lambda entry: (-entry["rows"], entry["label"]))


def state_lost(lost: Sequence[dict[str, Any]], classes: int) -> str:
    """`It finds 1 of 12 'spam' (interval 1.5% to 35.4%).`, as a sentence to follow the verdict's first; "" for none."""
    if not lost:
        return ""

    told = []
    for entry in lost[:NAMED]:
        low, high = (f"{100 * end:.1f}%" for end in entry["recall_interval"])
        if entry["worse"]:
            base = f", the base {entry['base_found']:,}"
        else:
            base = ""
        told.append(f"{entry['found']:,} of {entry['rows']:,} {entry['label']!r} ({low} to {high}{base})")

    if len(lost) > len(told):
        more = f" and misses {len(lost) - len(told):,} more"
    else:
        more = ""

    if classes > NAMED:
        of_all = f", {len(lost):,} of {classes:,} classes are lost"
    else:
        of_all = ""

    return f" But classes are lost: it finds {_listed(told)}{more}{of_all}."


def tell_lost(facts: dict[str, Any], wanted: Names, base: Names, tuned: Names) -> None:
    """Writes the key `lost_classes` and the verdict's sentence; a class that the base finds more often is a caution."""
    lost = lost_classes(wanted, base, tuned)
    facts["lost_classes"] = lost
    facts["verdict"]["sentence"] += state_lost(lost, len(facts["tuned"]["labels"]))
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
