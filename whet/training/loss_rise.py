"""Did the validation loss rise by more than its rows leave to chance? What is called memorising must have shown it."""

from __future__ import annotations

import math
from collections.abc import Sequence

FEWEST_PARTS = 5
"""Batches of validation rows from which on an interval is worth something."""


def rise(before: Sequence[tuple[float, float]], after: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """95% interval of the rise of a mean loss, from the sums of losses and weights of the same batches at two times.

    Student's t over the batches, paired, of a ratio of means (Cochran 1977, Sampling Techniques, 6.3). None where there
    are fewer than FEWEST_PARTS.
    """
    from scipy.special import stdtrit  # not before it is needed: a start should not wait for it

    parts = len(before)
    if parts < FEWEST_PARTS or len(after) != parts:
        return None

    weight = sum(part[1] for part in before) / parts
    gains = [new[0] - old[0] for old, new in zip(before, after, strict=True)]
    mean = sum(gains) / parts / weight
    apart = [(gain - mean * old[1]) / weight for gain, old in zip(gains, before, strict=True)]
    error = math.sqrt(sum(residual**2 for residual in apart) / (parts - 1) / parts)
    reach = float(stdtrit(parts - 1, 0.975)) * error

    return mean - reach, mean + reach
