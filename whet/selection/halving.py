"""Successive halving: all candidates learn from few rows, the better half from twice as many, until all are used.

Jamieson and Talwalkar 2016, arXiv 1502.07943. What is different here: of the worse half a candidate leaves only if it
is measured to be worse than the best of its rung (paired on the same validation rows, p below 0.05 after Holm's
correction). Where the rows cannot tell, it stays as long as the budget has room for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from whet.stats.multiple_tests import holm
from whet.stats.paired import paired_difference
from whet.stats.power import ALPHA
from whet.text.numbers import format_change_range
from whet.text.wording import percent

LEAST_ROWS = 32
"""Training rows of a rung: of fewer a tune shows little, so there are fewer rungs then."""
SMALLEST = 1 / 8
"""Of the training rows, for the largest rung of a small budget: of less nothing about the whole is learned."""


def shares(candidates: int, rows: int, top: float = 1.0) -> list[float]:
    """Of the training rows, rung by rung, each twice the one before; the last is `top`."""
    rungs = max(1, math.ceil(math.log2(max(1, candidates)))) + (candidates > 1)
    found = [top / 2**number for number in range(rungs)]
    return [share for share in reversed(found) if share == top or share * rows >= LEAST_ROWS]


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds of a candidate: of its tune on all rows, and of asking it the validation rows."""

    training: float
    asking: float

    def rung(self, share: float) -> float:
        return self.training * share + self.asking


def planned_seconds(estimates: Sequence[Estimate], rungs: Sequence[float]) -> float:
    """Of a whole halving, if at each rung the slowest half stays."""
    slowest = sorted(estimates, key=lambda estimate: estimate.training, reverse=True)
    total = 0.0
    for number, share in enumerate(rungs):
        alive = math.ceil(len(slowest) / 2**number)
        total += sum(estimate.rung(share) for estimate in slowest[:alive])
    return total


def rungs_within(
    estimates: Mapping[str, Estimate], rows: int, seconds: float
) -> tuple[list[float], dict[str, Estimate]]:
    """The rungs that `seconds` pay for and who takes part: all rows if they can be had, else a half, a quarter or an
    eighth of them; where that is still too much, the slowest candidate is left out. No rungs where nothing fits."""
    alive = dict(estimates)
    while alive:
        top = 1.0
        while top >= SMALLEST:
            rungs = shares(len(alive), rows, top)
            if planned_seconds(list(alive.values()), rungs) <= seconds:
                return rungs, alive
            top /= 2

        del alive[max(alive, key=lambda name: alive[name].rung(SMALLEST))]
    return [], {}


@dataclass(frozen=True, slots=True)
class Halved:
    """Names in the order of their scores. `unsure` are of the worse half and not measured to be worse."""

    stay: list[str]
    unsure: list[str]
    leave: dict[str, str]
    """With the reason."""


def halve(values: Mapping[str, Sequence[float]], seed: int, clusters: Sequence[object] | None) -> Halved:
    """`values` are the scores of the same validation rows for each candidate."""
    means = {name: sum(scores) / len(scores) for name, scores in values.items()}
    order = sorted(means, key=lambda name: -means[name])
    kept, lower = order[: math.ceil(len(order) / 2)], order[math.ceil(len(order) / 2) :]

    best = order[0]
    gaps = [paired_difference(values[best], values[name], seed, clusters) for name in lower]
    corrected = holm([gap.p for gap in gaps])

    unsure, leave = [], {}
    for name, gap, p in zip(lower, gaps, corrected, strict=True):
        if p < ALPHA and gap.estimate < 0:
            leave[name] = (
                f"worse than {best} on the same {len(values[name]):,} validation rows: {percent(means[name])} against "
                f"{percent(means[best])} (95% interval of the difference "
                f"{format_change_range(gap.low, gap.high, None)} points)"
            )
        else:
            unsure.append(name)
    return Halved(kept, unsure, leave)
