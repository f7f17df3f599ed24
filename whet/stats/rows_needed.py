"""How many test rows would probably decide, from the scores of a run. whet/stats/power.py has the power itself."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from whet.stats.power import ALPHA, effective_size, rows_for_gain
from whet.stats.resample import differences


def rows_needed(
    base: ArrayLike,
    tuned: ArrayLike,
    equivalence: float = 0.02,
    power: float = 0.8,
    clusters: Sequence[object] | None = None,
) -> int:
    """How many test rows would probably decide, if more rows behave like these: for a gain or a loss, or for a
    difference smaller than `equivalence`, whichever needs fewer. Always more than there are now.

    The differences seen are joined by two imaginary rows that disagree by half a row each way, so that a handful
    of rows without any difference does not promise too much (Agresti and Min 2005, doi:10.1002/sim.1781).
    """
    change = differences(np.asarray(base, float), np.asarray(tuned, float))
    seen = np.abs(change[change != 0])
    if seen.size:
        scale = float(np.sqrt(np.mean(seen**2)))
    else:
        scale = 1.0

    gain = float(change.sum() / (change.size + 2))
    square = float((np.sum(change**2) + scale**2) / (change.size + 2))
    inflation = design_effect(change, clusters)

    counted = seen.size == 0 or np.ptp(seen) <= 1e-9 * scale  # every row that differs does so by as much, as 0 and 1 do
    if counted:
        for_gain = rows_for_gain(gain / scale, square / scale**2, power)
    else:
        for_gain = rows_for_mean(gain, square, power)

    needed = min(for_gain, rows_for_equivalence(gain, square, equivalence, power))
    return max(change.size + 1, math.ceil(needed * inflation))


def rows_for_mean(gain: float, square: float, target: float) -> float:
    """Rows for `target` power to show a mean difference, from its mean square: the normal approximation, and what
    estimating the spread costs in addition (Guenther 1981, doi:10.2307/2683941)."""
    if gain == 0:
        return math.inf
    level = special.ndtri(1 - ALPHA / 2)
    reach = level + special.ndtri(target)
    return float(reach**2 * max(square - gain**2, 0.0) / gain**2 + level**2 / 2)


def rows_for_equivalence(gain: float, square: float, equivalence: float, target: float) -> float:
    """Rows for `target` probability that the whole interval lies within +-equivalence."""
    room = equivalence - abs(gain)
    if room <= 0:
        return math.inf
    reach = special.ndtri(1 - ALPHA / 2) + special.ndtri((1 + target) / 2 if gain == 0 else target)
    return float(reach**2 * max(square - gain**2, 0.0) / room**2)


def design_effect(change: np.ndarray, clusters: Sequence[object] | None) -> float:
    """How many times more rows a clustered test needs: the clustered variance of the mean over the plain one (Kish
    1965), at least 1. Where no row differs from another nothing is known of it, and the rows of a cluster count as one.
    """
    if clusters is None or change.size < 2:
        return 1.0
    codes = np.unique([str(cluster) for cluster in clusters], return_inverse=True)[1]

    if np.ptp(change) == 0:
        return change.size / effective_size(np.bincount(codes))
    centred = change - change.mean()
    return max(1.0, float(np.sum(np.bincount(codes, centred) ** 2) / np.sum(centred**2)))


def effective_rows(base: ArrayLike, tuned: ArrayLike, clusters: Sequence[object] | None) -> float:
    """How many independent rows would tell as much: all where rows of a cluster go their own ways, about as many as
    there are clusters where they go the same way."""
    change = differences(np.asarray(base, float), np.asarray(tuned, float))
    return change.size / design_effect(change, clusters)
