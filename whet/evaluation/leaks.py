"""The verdict once more, without the test rows that learned rows may give away.

What surely leaks is never learned: the split sees to it. What may leak (a passage that both sides quote, a column that
looks like a user, near-duplicates that the recipe allows apart) is measured here, so that a gain which rests on such
rows is never told as one that does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from whet.errors import count
from whet.evaluation.verdict import compare, describe
from whet.stats.paired import clusters_of_lines
from whet.types import Difference, Verdict


def without_leaks(
    verdict: str,
    lines: Sequence[dict[str, Any]],
    leaks: dict[str, Any],
    seed: int,
    labels: dict[str, str] | None = None,
) -> dict[str, Any]:
    """The keys `leaks` and, where a verdict of `better` rests on rows that are given away, `caution` of
    evaluation.json. `lines` are those of answers.jsonl, `leaks` the facts of leaks.json, and `labels` what the
    opponents in the lines are called."""
    given_away = set(leaks["test_rows"])
    kept = [line for line in lines if line["row"] not in given_away]
    if len(kept) == len(lines):
        return {}

    told = f"{count(len(lines) - len(kept), 'test row')} may be known from the training ({', '.join(leaks['codes'])})"
    facts: dict[str, Any] = {"test_rows": len(lines) - len(kept), "codes": leaks["codes"]}
    word = ""

    if kept:
        difference, again, over = hardest(kept, labels or {}, seed)
        facts |= {"difference": asdict(difference), "verdict": asdict(again)}
        word, said = again.word, f"without them it is {again.word}: {describe(difference, over)}"
    else:
        said = "without them none is left"

    facts["sentence"] = f"{told}; {said}."
    rests = verdict == "better" and word != "better"
    return {"leaks": facts} | ({"caution": f"the gain rests on rows that leak. {facts['sentence']}"} if rests else {})


def hardest(lines: Sequence[dict[str, Any]], labels: dict[str, str], seed: int) -> tuple[Difference, Verdict, str]:
    """The comparison that decides, with what the tuned model is held against: the one with the smallest gain of those
    that were not beaten, or of all (whet/evaluation/opponents/joint_verdict.py)."""
    found = []
    for name, label in {"": "", **labels}.items():
        asked = [line for line in lines if not name or name in line.get("opponents", {})]
        if not asked:
            continue
        theirs = [line["opponents"][name]["score"] if name else line["base_score"] for line in asked]
        mine = [line["tuned_score"] for line in asked]
        found.append((*compare(theirs, mine, seed, clusters_of_lines(asked), over=label), label))

    left = [one for one in found if one[1].word != "better"] or found
    return min(left, key=lambda one: one[0].estimate)
