"""Is the mean of one stream larger than that of another? Evidence that stays valid though one looks after each value.

Values lie in 0..1 and come from two sides, in any order. They are put side by side: the mean of a few of one side
minus the mean of a few of the other, as many of each as the shares say, so that neither side waits for long. Such
a difference lies in -1..1, and where the sides have one mean it has the mean 0 whatever came before. A gambler who bets
on its sign multiplies a capital of 1 that cannot be expected to grow then, so that the chance that it ever reaches
1 / alpha is at most alpha (Ville 1939); betting on bounded means: Waudby-Smith and Ramdas 2024, "Estimating means of
bounded random variables by betting" (arXiv:2010.09686). Half of the capital bets on each direction, spread over how
boldly: nothing has to be known of how large a difference is.

The same bets against a difference of m instead of 0 give the confidence sequence: all m whose capital never reached
1 / alpha. At all times at once, it holds the true difference in at least 1 - alpha of streams.

Which values are put side by side depends on the sides alone, never on the values. Of those that wait for the other side
only the newest LONGEST_WAIT blocks are kept: values of the same hours are compared, so that a rate that rises and falls
for both sides alike is not taken for a difference.

Shape legend: D differences, M means that are bet against, J strategies.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

ALPHA = 0.05
FRACTIONS_J = np.array([0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9])
"""Of the largest bet that cannot lose all."""
MEANS_M = np.linspace(-1, 1, 401)[1:-1]
"""Differences that the confidence sequence is looked for among: half a point apart."""
LONGEST_WAIT = 10
CHUNK = 256
"""Differences that are computed at once."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What is known of the mean of the new side minus that of the other."""

    differences: int
    """Blocks that were put side by side."""
    estimate: float | None
    """Their mean; None without any."""
    low: float | None
    """The confidence sequence; None, as `high`, where no difference is left in it: then the streams were not what was
    assumed."""
    high: float | None
    capital: float
    """The largest so far, from 1."""
    enough_at: int | None
    """The difference, counted from 1, with which the capital reached 1 / alpha; None: it did not."""
    larger: bool | None
    """Whether the new side's mean is the larger one; None as long as that is open."""


def compare(values: Iterable[tuple[bool, float]], share: float, alpha: float = ALPHA) -> Compared:
    """`values` in the order in which they came, each with whether it is of the new side, to which a `share` (0..1,
    exclusive) is sent. A longer stream only adds to what a shorter one gave. Takes time in proportion to its length."""
    difference_D = np.array(differences(values, share))
    needed = -math.log(alpha)
    zero = len(MEANS_M) // 2
    most_M = np.zeros(len(MEANS_M))
    most, enough_at, larger = 0.0, None, None
    log_up_MJ = log_down_MJ = np.zeros((len(MEANS_M), len(FRACTIONS_J)))

    for start in range(0, len(difference_D), CHUNK):
        up_DMJ, down_DMJ = bets(difference_D[start : start + CHUNK], MEANS_M)
        up_DMJ, down_DMJ = log_up_MJ + up_DMJ.cumsum(axis=0), log_down_MJ + down_DMJ.cumsum(axis=0)
        log_up_MJ, log_down_MJ = up_DMJ[-1], down_DMJ[-1]
        up_DM, down_DM = _mixed(up_DMJ), _mixed(down_DMJ)
        capital_DM = np.logaddexp(up_DM, down_DM) - math.log(2)
        most_M = np.maximum(most_M, capital_DM.max(axis=0))

        capital_D = capital_DM[:, zero]
        most = max(most, float(capital_D.max()))
        reached = np.flatnonzero(capital_D >= needed)
        if enough_at is None and len(reached):
            first = int(reached[0])
            enough_at, larger = start + first + 1, bool(up_DM[first, zero] > down_DM[first, zero])

    left = MEANS_M[most_M < needed]
    return Compared(
        differences=len(difference_D),
        estimate=float(difference_D.mean()) if len(difference_D) else None,
        low=_edge(left.min(), -1) if len(left) else None,
        high=_edge(left.max(), 1) if len(left) else None,
        capital=math.exp(min(most, 700.0)),
        enough_at=enough_at,
        larger=larger,
    )


def differences(values: Iterable[tuple[bool, float]], share: float) -> list[float]:
    """New minus other, of blocks as large as the share of each side makes them."""
    sizes = block_sizes(share)
    waiting = tuple(deque[float](maxlen=LONGEST_WAIT * size) for size in sizes)
    found = []
    for is_new, value in values:
        waiting[is_new].append(value)
        if all(len(side) >= size for side, size in zip(waiting, sizes, strict=True)):
            other, new = (_take(side, size) for side, size in zip(waiting, sizes, strict=True))
            found.append(new - other)
    return found


def block_sizes(share: float) -> tuple[int, int]:
    """(of the other side, of the new one)."""
    return max(1, round((1 - share) / share)), max(1, round(share / (1 - share)))


def bets(difference_D: np.ndarray, mean_M: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of what each strategy's capital is multiplied with, (D, M, J): those that bet on more than m, and on
    less. The mean factor is 1 where the mean is m, and none is below 1 - 0.9."""
    distance_DM1 = (difference_D[:, None] - mean_M)[..., None]
    up_MJ, down_MJ = FRACTIONS_J / (1 + mean_M[:, None]), FRACTIONS_J / (1 - mean_M[:, None])
    return np.log1p(up_MJ * distance_DM1), np.log1p(-down_MJ * distance_DM1)


def _mixed(log_DMJ: np.ndarray) -> np.ndarray:
    largest_DM1 = log_DMJ.max(axis=-1, keepdims=True)
    return np.log(np.exp(log_DMJ - largest_DM1).mean(axis=-1)) + largest_DM1[..., 0]


def _take(side: deque[float], size: int) -> float:
    return sum(side.popleft() for _ in range(size)) / size


def _edge(mean: float, sign: int) -> float:
    """Between two means that were tried lies what was not: the next one that was excluded, or the end."""
    step = 2 / (len(MEANS_M) + 1)
    return max(-1.0, min(1.0, round(float(mean) + sign * step, 9)))
