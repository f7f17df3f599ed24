"""The verdict once more, without the test rows that learned rows may give away.

What surely leaks is never learned: the split sees to it. What may leak (a passage that both sides quote, a column that
looks like a user, near-duplicates that the recipe allows apart) is measured here, so that a gain which rests on such
rows is never reported as one that does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from whet.errors import count
from whet.evaluation.facts import AnswerLine, Evaluation
from whet.evaluation.verdict import compare, describe
from whet.stats.paired import clusters_of_lines
from whet.types import Difference, Verdict

if TYPE_CHECKING:  # the checks themselves are not needed here
    from whet.doctor.check_registry import LeakedRows


def with_leaks(measured: Evaluation, lines: Sequence[AnswerLine], leaks: LeakedRows, seed: int) -> Evaluation:
    """The evaluation with what `without_leaks` says; its sentence is added to the verdict's."""
    verdict = measured["verdict"]
    labels = {entry["name"]: entry["label"] for entry in verdict.get("against", [])}
    more = without_leaks(verdict["word"], lines, leaks, seed, labels)
    if "leaks" in more:
        verdict["sentence"] += f" {more['leaks']['sentence']}"
    return cast(Evaluation, {**more, **measured})


def without_leaks(
    verdict: str,
    lines: Sequence[AnswerLine],
    leaks: LeakedRows,
    seed: int,
    labels: dict[str, str] | None = None,
) -> dict[str, Any]:
    """The key `leaks` of evaluation.json and, if a verdict of `better` rests on rows that are given away, `caution`.
    `leaks` are the facts of leaks.json, `labels` the words for the opponents in the lines, by name."""
    given_away = set(leaks["test_rows"])
    safe = [line for line in lines if line["row"] not in given_away]
    leaking = len(lines) - len(safe)
    if not leaking:
        return {}

    facts: dict[str, Any] = {"test_rows": leaking, "codes": leaks["codes"]}
    word, result = "", "without them none is left"
    if safe:
        difference, again, over = hardest(safe, labels or {}, seed)
        facts |= {"difference": asdict(difference), "verdict": asdict(again)}
        word = again.word
        result = f"without them it is {word}: {describe(difference, over)}"

    known = f"{count(leaking, 'test row')} may be known from the training ({', '.join(leaks['codes'])})"
    facts["sentence"] = f"{known}; {result}."
    if verdict == "better" and word != "better":
        return {"leaks": facts, "caution": f"the gain rests on rows that leak. {facts['sentence']}"}
    return {"leaks": facts}


def hardest(lines: Sequence[AnswerLine], labels: dict[str, str], seed: int) -> tuple[Difference, Verdict, str]:
    """The comparison that decides, with what the tuned model is held against: the one with the smallest gain of those
    that were not beaten, or of all (whet/evaluation/opponents/joint_verdict.py)."""
    base = [line["base_score"] for line in lines]
    comparisons = [(*_compared(base, lines, seed, ""), "")]

    for name, label in labels.items():
        asked = [line for line in lines if name in line.get("opponents", {})]
        if asked:
            theirs = [line.get("opponents", {})[name]["score"] for line in asked]
            comparisons.append((*_compared(theirs, asked, seed, label), label))

    unbeaten = [each for each in comparisons if each[1].word != "better"]
    return min(unbeaten or comparisons, key=lambda each: each[0].estimate)


def _compared(theirs: Sequence[float], lines: Sequence[AnswerLine], seed: int, over: str) -> tuple[Difference, Verdict]:
    tuned = [line["tuned_score"] for line in lines]
    return compare(theirs, tuned, seed, clusters_of_lines(lines), over=over)
