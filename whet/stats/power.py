"""What a number of test rows can prove before anything is run: power of McNemar's test with the mid-p.

With discordance d (share of rows where the two answers differ in score) and true gain g, the number of
discordant rows is K ~ Binomial(n, d), and the tuned model wins Binomial(K, (d + g) / 2d) of them. The test
refuses chance when the two-sided mid-p over those K rows is below alpha. All gains are shares, 0.05 = 5 points.

Why the mid-p: counts are whole, so the exact p stays far below its level, and an interval that agrees with it covers
too often. Counting what was seen by half makes up for that, and in none of the 9,595 cases of Fagerland, Lydersen and
Laake (2013, doi:10.1186/1471-2288-13-91) did it exceed the level.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from whet.errors import DataError, count

ALPHA = 0.05
MANY_ROWS = 200_000
"""Above this the normal approximation is exact to a hundredth of a point and much faster."""
FEWEST_CLUSTERS = 15
"""Of fewer nothing is promised: the power of the tests over clusters is then below that of `clustered_power` (with 10
by 17 to 28 points, with 16 by none; tests/stats/test_rows_needed.py)."""
ROUGH_ROWS = 3_000
"""A forecast of more rows than this comes from the normal approximation, which is then within 2% of the exact one."""


def mcnemar_p(losses: int, wins: int) -> float:
    """Two-sided mid-p of McNemar's test: a sign test on the discordant rows that counts the result itself by half
    (Fagerland et al. 2013)."""
    fewer, rows = min(losses, wins), losses + wins
    exact = 2 * special.bdtr(fewer, rows, 0.5)
    if losses == wins:
        return 1.0
    return float(exact - binomial_mass(np.array(fewer), rows, 0.5))


def rejection_limit(discordant: np.ndarray, alpha: float = ALPHA) -> np.ndarray:
    """The largest number of losses among `discordant` rows with a two-sided mid-p below alpha; -1 for none."""
    exact = np.floor(special.bdtrik(alpha / 2, discordant, 0.5))
    limit = np.where(np.isfinite(exact), exact, -1.0) - 1  # bdtrik is continuous, so the true limit is near it
    for _ in range(3):
        above = np.clip(limit + 1, 0, discordant)
        mid_p = 2 * binomial_cdf(above, discordant, 0.5) - binomial_mass(above, discordant, 0.5)
        limit = np.where((limit + 1 <= discordant) & (mid_p < alpha), limit + 1, limit)
    return np.maximum(limit, -1.0)


def exact_limit(discordant: np.ndarray, alpha: float = ALPHA) -> np.ndarray:
    """The largest number of losses among `discordant` rows with an exact two-sided p of at most alpha; -1 for none."""
    limit = np.floor(special.bdtrik(alpha / 2, discordant, 0.5))
    limit = np.where(np.isfinite(limit), limit, 0.0)
    for _ in range(3):
        above = binomial_cdf(np.maximum(limit, 0), discordant, 0.5) > alpha / 2
        limit = np.where((limit >= 0) & above, limit - 1, limit)
    return np.maximum(limit, -1.0)


def mcnemar_power(rows: int, gain: float, discordance: float, alpha: float = ALPHA, exact: bool = False) -> float:
    """Probability that `rows` test rows show a true gain, by the mid-p or the `exact` one. `discordance` is raised to
    the gain where it is smaller."""
    gain = min(1.0, abs(gain))
    discordance = min(1.0, max(discordance, gain))
    if rows < 1 or discordance == 0:
        return 0.0
    if rows > MANY_ROWS:
        spread = math.sqrt(max(discordance - gain**2, 1e-12) / rows)
        return float(special.ndtr(gain / spread - special.ndtri(1 - alpha / 2)))

    middle, width = rows * discordance, 9 * math.sqrt(rows * discordance * (1 - discordance)) + 9
    K = np.arange(max(0, math.floor(middle - width)), min(rows, math.ceil(middle + width)) + 1, dtype=float)

    if exact:
        limit = exact_limit(K, alpha)
    else:
        limit = rejection_limit(K, alpha)

    loss_share = max(0.0, (discordance - gain) / (2 * discordance))
    shown = np.where(limit >= 0, binomial_cdf(np.maximum(limit, 0), K, loss_share), 0.0)
    return float(np.sum(binomial_mass(K, rows, discordance) * shown))


def binomial_cdf(k: np.ndarray, n: np.ndarray, share: float) -> np.ndarray:
    """P(X <= k) as an incomplete beta function, for 0 <= k <= n."""
    return np.where(k >= n, 1.0, special.betainc(np.maximum(n - k, 1), k + 1, 1 - share))


def binomial_mass(k: np.ndarray, n: int | np.ndarray, share: float) -> np.ndarray:
    ways = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    return np.exp(ways + special.xlogy(k, share) + special.xlog1py(n - k, -share))


def detectable_gain(test_rows: int, discordance: float = 0.3, power: float = 0.8) -> float | None:
    """The smallest true gain (a share) that `test_rows` rows show with probability `power`.

    A gain cannot be larger than the discordance, so where the answer exceeds `discordance`, that many rows must
    differ, all in one direction. None with fewer than five rows: no result whatever could reach p < 0.05.
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


def effective_size(sizes: ArrayLike) -> float:
    """How many independent rows clusters of these sizes are worth where the rows of a cluster go the same way: as many
    as there are clusters where all are equally large, fewer where not (Kish 1965, "Survey Sampling")."""
    size_C = np.asarray(sizes, dtype=float)
    if size_C.size:
        return float(size_C.sum() ** 2 / np.sum(size_C**2))
    return 0.0


def clustered_power(clusters: int, effective: float, gain: float, discordance: float) -> float:
    """Probability that rows in clusters, worth `effective` independent ones, show a true gain by sign flips over
    clusters. These are as powerful as Student's t with one degree of freedom less than clusters (Hoeffding 1952,
    doi:10.1214/aoms/1177729436): the noncentral t. Where the rows of a cluster go the same way they are an exact sign
    test, which has less to choose from; the lower of the two is promised."""
    gain = min(1.0, abs(gain))
    spread = math.sqrt(max(max(discordance, gain) - gain**2, 1e-12) / effective)
    limit = float(special.stdtrit(clusters - 1, 1 - ALPHA / 2))
    student = 1 - float(special.nctdtr(clusters - 1, min(gain / spread, 30.0), limit))

    return min(student, mcnemar_power(int(effective), gain, discordance, exact=True))


def promised_gain(
    sizes: Sequence[int], effective: float | None = None, discordance: float = 0.3, power: float = 0.8
) -> float | None:
    """The smallest gain that test rows in clusters of these sizes show with probability `power`: where nothing is known
    of them (`effective` rows) as if the rows of a cluster went the same way. None where nothing can be shown, as with
    fewer than FEWEST_CLUSTERS."""
    if len(sizes) == sum(sizes):
        return detectable_gain(len(sizes), discordance, power)

    if effective is None:
        rows = effective_size(sizes)
    else:
        rows = effective

    if len(sizes) < FEWEST_CLUSTERS or clustered_power(len(sizes), rows, 1 - 1e-3, discordance) < power:
        return None

    low, high = 0.0, 1 - 1e-3
    while high - low > 1e-5:
        middle = (low + high) / 2
        enough = clustered_power(len(sizes), rows, middle, discordance) >= power
        low, high = (low, middle) if enough else (middle, high)

    return high


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


def power_facts(sizes: Sequence[int]) -> dict[str, Any]:
    """What test rows in clusters of these sizes can show, before anything is run: `detectable_gain` if the rows of a
    cluster go the same way, `detectable_gain_alone` if each row goes its own."""
    rows = sum(sizes)
    facts = {
        "test_rows": rows,
        "clusters": len(sizes),
        "effective_rows": effective_size(sizes),
        "detectable_gain": promised_gain(sizes),
        "detectable_gain_alone": promised_gain(sizes, rows),
    }

    return facts | {"sentence": _sentence(facts)}


def _sentence(facts: dict[str, Any]) -> str:
    """The facts in words, without a full stop: `200 test rows in 41 clusters can show a gain of ...`."""
    rows, clusters, gain, alone = (
        facts[key] for key in ("test_rows", "clusters", "detectable_gain", "detectable_gain_alone")
    )
    held = count(rows, "test row")

    if clusters == rows:
        if gain is None:
            return f"{held} can hardly decide anything; a larger test part would"
        return f"{held} can show a gain of {100 * gain:.0f} points or more (80% power)"

    held += f" in {count(clusters, 'cluster')}"
    if alone is None:
        return f"{held} can hardly decide anything; a larger test part would"
    if gain is None:
        own = f"{100 * alone:.0f} points or more if each row goes its own way"
        return f"{held} can show a gain of {own}, and hardly any if the rows of a cluster go the same way (80% power)"

    same = f"{100 * gain:.0f} points or more if the rows of a cluster go the same way"
    return f"{held} can show a gain of {same}, of {100 * alone:.0f} if each goes its own (80% power)"
