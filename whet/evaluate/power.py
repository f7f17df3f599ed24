"""What a number of test rows can prove: power of the exact McNemar test, before and after a run.

With discordance d (share of rows where the two answers differ in score) and true gain g, the number of
discordant rows is K ~ Binomial(n, d), and the tuned model wins Binomial(K, (d + g) / 2d) of them. The test
refuses chance when the two-sided exact p over those K rows is at most alpha. All gains are shares, 0.05 = 5 points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from whet.errors import DataError
from whet.evaluate.resample import changes

ALPHA = 0.05
MANY_ROWS = 200_000
"""Above this the normal approximation is exact to a hundredth of a point and much faster."""
ROUGH_ROWS = 3_000
"""A forecast of more rows than this comes from the normal approximation, which is then within 2% of the exact one."""


def mcnemar_p(losses: int, wins: int) -> float:
    """Two-sided exact p of the McNemar test: a sign test on the discordant rows (McNemar 1947)."""
    return float(min(1.0, 2 * special.bdtr(min(losses, wins), losses + wins, 0.5)))


def rejection_limit(discordant: np.ndarray, alpha: float = ALPHA) -> np.ndarray:
    """The largest number of losses among `discordant` rows with an exact two-sided p of at most alpha; -1 for none."""
    limit = np.floor(special.bdtrik(alpha / 2, discordant, 0.5))
    limit = np.where(np.isfinite(limit), limit, -1.0)
    for shift in (1.0, 0.0):  # bdtrik is continuous: settle on the integer by looking
        above = limit + shift
        inside = 2 * binomial_cdf(np.clip(above, 0, discordant), discordant, 0.5) <= alpha
        limit = np.where(inside & (above >= 0), above, np.where(shift == 0.0, above - 1, limit))
    return np.maximum(limit, -1.0)


def mcnemar_power(rows: int, gain: float, discordance: float, alpha: float = ALPHA) -> float:
    """Probability that `rows` test rows show a true gain. `discordance` is raised to the gain where it is smaller."""
    gain = min(1.0, abs(gain))
    discordance = min(1.0, max(discordance, gain))
    if rows < 1 or discordance == 0:
        return 0.0
    if rows > MANY_ROWS:
        spread = math.sqrt(max(discordance - gain**2, 1e-12) / rows)
        return float(special.ndtr(gain / spread - special.ndtri(1 - alpha / 2)))
    middle, width = rows * discordance, 9 * math.sqrt(rows * discordance * (1 - discordance)) + 9
    K = np.arange(max(0, math.floor(middle - width)), min(rows, math.ceil(middle + width)) + 1, dtype=float)
    limit = rejection_limit(K, alpha)
    loss_share = max(0.0, (discordance - gain) / (2 * discordance))
    shown = np.where(limit >= 0, binomial_cdf(np.maximum(limit, 0), K, loss_share), 0.0)
    return float(np.sum(binomial_mass(K, rows, discordance) * shown))


def binomial_cdf(k: np.ndarray, n: np.ndarray, share: float) -> np.ndarray:
    """P(X <= k) as an incomplete beta function, for 0 <= k <= n."""
    return np.where(k >= n, 1.0, special.betainc(np.maximum(n - k, 1), k + 1, 1 - share))


def binomial_mass(k: np.ndarray, n: int, share: float) -> np.ndarray:
    ways = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    return np.exp(ways + special.xlogy(k, share) + special.xlog1py(n - k, -share))


def detectable_gain(test_rows: int, discordance: float = 0.3, power: float = 0.8) -> float | None:
    """The smallest true gain (a share) that `test_rows` rows show with probability `power`.

    A gain cannot be larger than the discordance, so where the answer exceeds `discordance`, that many rows must
    differ, all in one direction. None with fewer than six rows: no result whatever could reach p < 0.05.
    Raises DataError for a discordance or a power outside 0..1.
    """
    if not (0 < discordance <= 1 and 0 < power < 1):
        raise DataError("discordance and power must lie between 0 and 1", value=(discordance, power))
    if mcnemar_power(test_rows, 1.0, discordance) < power:
        return None
    low, high = 0.0, 1.0
    while high - low > 1e-5:
        middle = (low + high) / 2
        low, high = (low, middle) if mcnemar_power(test_rows, middle, discordance) >= power else (middle, high)
    return high


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
    change = changes(np.asarray(base, float), np.asarray(tuned, float))
    seen = np.abs(change[change != 0])
    scale = float(np.sqrt(np.mean(seen**2))) if seen.size else 1.0
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


def rows_for_gain(gain: float, discordance: float, target: float) -> float:
    """Rows for `target` power to show a gain, in the units where a discordant row counts 1."""
    if gain == 0:
        return math.inf
    reach = special.ndtri(1 - ALPHA / 2) + special.ndtri(target)
    guess = reach**2 * max(discordance - gain**2, 0.0) / gain**2
    if guess > ROUGH_ROWS:
        return float(guess)
    low, high = 5, max(6, math.ceil(guess))
    while mcnemar_power(high, gain, discordance) < target:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if mcnemar_power(middle, gain, discordance) >= target else (middle, high)
    return float(high)


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
    """How many times more rows a clustered test needs: the clustered variance of the mean over the plain one."""
    if clusters is None or change.size < 2 or np.ptp(change) == 0:
        return 1.0
    codes = np.unique([str(cluster) for cluster in clusters], return_inverse=True)[1]
    centred = change - change.mean()
    return max(1.0, float(np.sum(np.bincount(codes, centred) ** 2) / np.sum(centred**2)))
