"""The middle of many numbers, with an interval that assumes nothing of how they are spread."""

from __future__ import annotations

import math
from collections.abc import Sequence

from whet.stats.paired import Z


def median_interval(ordered: Sequence[float], z: float = Z) -> tuple[float, float, float]:
    """(median, low, high) of numbers in ascending order, at 95% unless `z` says another: how many of n lie below the
    true median is binomial, so its bounds are two of the numbers themselves. Independent numbers are assumed. Raises
    ValueError for none."""
    n = len(ordered)
    if n == 0:
        raise ValueError("there is no median of nothing")
    reach = z * math.sqrt(n) / 2
    low, high = math.floor(n / 2 - reach), math.ceil(n / 2 + reach)
    middle = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    return middle, ordered[max(0, low)], ordered[min(n - 1, high)]
