"""From the scores of the ways to answer a workload to one advice. Pure: no model, no file.

The score is how far answers agree with what the big model answered (or people, where they corrected it).

1. A way reaches the goal where the bad end of its interval does, widened for the number of ways that were tried
   (Bonferroni), so that to try many lets none pass by luck.
2. Of those that reach it the one that takes least to set up is enough: a fixed answer, the base as it is, a prompt,
   examples, a tune. It must not cost more than the big model.
3. Where none does, the big model stays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

from whet.evaluation.comparison.arms import KNOWN
from whet.evaluation.comparison.comparison_facts import ArmFacts
from whet.evaluation.decision import TRAINING_PAYS
from whet.stats.paired import Z, wilson
from whet.text.numbers import format_range, format_score
from whet.workloads.time_split import quantile
from whet.workloads.volume import local_usd_per_1000

Word = Literal[
    "keep the big one", "a fixed answer is enough", "base is enough", "a prompt is enough", "few-shot is enough", "tune"
]
KEEP: Word = "keep the big one"
WORDS: dict[str, Word] = {
    "constant": "a fixed answer is enough",
    "zero-shot": "base is enough",
    "prompted": "a prompt is enough",
    "few-shot": "few-shot is enough",
    "few-shot-nearest": "few-shot is enough",
    "tuned": "tune",
}
"""By the arm of the comparison; each asks for more than the one before it."""


class WayFacts(TypedDict):
    name: str
    label: str
    score: float
    interval: list[float]
    """95%, of this way alone."""
    bad_end: float
    """Of the interval that is widened for the number of ways."""
    usd_per_1000: float
    seconds_per_answer: float
    prompt_tokens: float
    answer_tokens: float


@dataclass(frozen=True, slots=True)
class Advice:
    word: Word
    reason: str
    way: str | None = None
    """The name of the way that is enough."""


def way_facts(arm: ArmFacts, scores: Sequence[float], tried: int, machine_usd_per_hour: float) -> WayFacts:
    """`scores` are those of the test rows."""
    return {
        "name": arm["name"],
        "label": arm["label"],
        "score": arm["score"],
        "interval": [arm["low"], arm["high"]],
        "bad_end": bad_end(scores, arm["score"], arm["low"], tried),
        "usd_per_1000": local_usd_per_1000(arm["seconds_per_answer"], machine_usd_per_hour),
        "seconds_per_answer": arm["seconds_per_answer"],
        "prompt_tokens": arm["prompt_tokens"],
        "answer_tokens": arm["answer_tokens"],
    }


def bad_end(scores: Sequence[float], score: float, low: float, tried: int) -> float:
    """The lower end of an interval that `tried` of them keep together. Of independent scores of 0 and 1 it is Wilson's;
    of others the reach of the 95% interval is widened by the ratio of the normal quantiles."""
    right, rows = sum(scores), len(scores)
    if set(scores) <= {0.0, 1.0} and math.isclose(low, wilson(round(right), rows)[0], abs_tol=1e-9):
        return wilson(round(right), rows, quantile(tried))[0]
    bound = 0.0 if min(scores) >= 0 else -math.inf
    return max(bound, score - quantile(tried) / Z * (score - low))


def advise(ways: Sequence[WayFacts], goal: float, big_usd_per_1000: float | None) -> Advice:
    known = sorted((way for way in ways if way["name"] in WORDS), key=lambda way: list(WORDS).index(way["name"]))
    reaching = [way for way in known if way["bad_end"] >= goal]
    if not reaching:
        return Advice(KEEP, _falls_short(known, goal))

    affordable = [way for way in reaching if not _dearer(way, big_usd_per_1000)]
    if not affordable:
        way = min(reaching, key=lambda way: way["usd_per_1000"])
        what = f"{_told(way)}, but costs {_dollars(way)} a thousand answers, and the big one {big_usd_per_1000:.4g}"
        return Advice(KEEP, what)

    enough = affordable[0]
    reason = f"{_told(enough)}: {format_score(goal, None)} was asked for"
    if len(known) > 1 and enough is not known[0]:
        reason += f"; {_compared(known, enough)}"
    if cheaper := _much_cheaper(affordable, enough):
        reason += f"; {cheaper['label']} reaches it too, at {_dollars(cheaper)} in the place of {_dollars(enough)}"
    return Advice(WORDS[enough["name"]], reason, enough["name"])


def _falls_short(ways: Sequence[WayFacts], goal: float) -> str:
    best = max(ways, key=lambda way: way["score"])
    asked = f"{format_score(goal, None)} was asked for"
    if best["interval"][1] >= goal:
        return f"the rows cannot tell whether one is enough: {_told(best)}, and {asked}"
    return f"none of the small ones is enough: the best, {_told(best)}, and {asked}"


def _told(way: WayFacts) -> str:
    low, high = way["interval"]
    score, widened = format_score(way["score"], None), format_score(way["bad_end"], None)
    range_ = format_range(low, high, None)
    return f"{way['label']} agrees in {score} (95% interval {range_}; at least {widened}, all ways considered)"


def _compared(ways: Sequence[WayFacts], enough: WayFacts) -> str:
    """The best of those that take less."""
    less = ways[: ways.index(enough)]
    best = max(less, key=lambda way: way["score"])
    return f"what takes less reaches {format_score(best['score'], None)} at best ({best['label']})"


def _much_cheaper(ways: Sequence[WayFacts], enough: WayFacts) -> WayFacts | None:
    """One that costs at most half, which would pay for what it takes (as in whet/evaluation/comparison/advice.py)."""
    others = [way for way in ways if TRAINING_PAYS * way["usd_per_1000"] <= enough["usd_per_1000"] and way != enough]
    return min(others, key=lambda way: way["usd_per_1000"], default=None)


def _dearer(way: WayFacts, big: float | None) -> bool:
    return big is not None and way["usd_per_1000"] > big


def _dollars(way: WayFacts) -> str:
    return f"${way['usd_per_1000']:.4g}"


assert set(WORDS) <= set(KNOWN)
