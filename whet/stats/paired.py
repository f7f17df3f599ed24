"""Did the tune beat the base? Paired differences on the same rows, with an interval and a p-value.

Scores of 0 and 1 get McNemar's test with the mid-p and Tango's score interval; other scores, and rows in clusters, get
sign flips and the bootstrap-t of whet/stats/resample.py, and the larger p of the two. A bootstrap is not used for
0/1 scores because it shrinks to a point when no row differs, which would look like certainty.

Rows of one conversation, user or document are not independent: they are one cluster, and clusters are what is drawn
and flipped (Miller 2024, "Adding error bars to evals", arXiv 2411.00640, section 2.2; Cameron, Gelbach and Miller
2008, doi:10.1162/rest.90.3.414).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from whet.errors import DataError, NonFiniteError
from whet.stats import resample
from whet.stats.power import ALPHA, detectable_gain, mcnemar_p
from whet.stats.rows_needed import rows_needed
from whet.types import Difference, Row

__all__ = ["detectable_gain", "mean_interval", "paired_difference", "rows_needed", "tango", "wilson"]


def paired_difference(
    base: ArrayLike, tuned: ArrayLike, seed: int = 0, clusters: Sequence[object] | None = None
) -> Difference:
    """Tuned minus base, scores of the same rows in the same order, with a 95% interval and a two-sided p.

    `clusters` names the document, user or template of each row; rows of one cluster are drawn and flipped
    together. The interval contains 0 exactly where p is 0.05 or more. Raises DataError for lengths that differ or no
    rows, NonFiniteError for a score that is not a number.
    """
    base_N, tuned_N = scores(base, "base"), scores(tuned, "tuned")
    if base_N.size != tuned_N.size:
        raise DataError(
            "base and tuned were scored on different numbers of rows",
            value=(base_N.size, tuned_N.size),
            fix="score both on the same rows",
        )

    group_N = cluster_codes(clusters, base_N.size)
    change_N = resample.differences(base_N, tuned_N)

    if group_N is None and is_binary(base_N) and is_binary(tuned_N):
        wins, losses = int(np.sum(change_N > 0)), int(np.sum(change_N < 0))
        low, high = tango(losses, wins, base_N.size)
        p, test = mcnemar_p(losses, wins), "McNemar's mid-p"
    else:
        if in_unit(base_N) and in_unit(tuned_N):
            reach = 1.0
        else:
            reach = float(np.abs([base_N, tuned_N]).max())

        sums_U, sizes_U = resample.cluster_sums(change_N, group_N)
        found = resample.interval_with_p(sums_U, sizes_U, seed, (-reach, reach))
        low, high = found.low, found.high
        p, test = resample.sign_flip(sums_U, seed)
        p = max(p, found.p)  # the flips alone call lopsided differences of mean 0 a gain too often
        test += "" if group_N is None else " by clusters"

    if p >= ALPHA:  # the test does not exclude 0, so neither does the interval
        low, high = min(low, 0.0), max(high, 0.0)
    discordant = int(np.sum(change_N != 0))

    if group_N is None:
        clustered = None
    else:
        clustered = int(group_N.max()) + 1

    if in_unit(base_N) and in_unit(tuned_N):
        scale = None
    else:
        scale = float(np.ptp([base_N, tuned_N]))

    estimate = float(change_N.mean())
    return Difference(estimate, float(low), float(high), p, base_N.size, discordant, test, scale, clustered)


def tango(losses: int, wins: int, rows: int) -> tuple[float, float]:
    """95% score interval of (wins - losses) / rows for paired 0/1 scores, by inverting the score test.

    Tango 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<891::AID-SIM780>3.0.CO;2-B, equation 6. Never shrinks
    to a point: without any discordant row it is +-3.84 / (rows + 3.84).
    """

    def excess(gain: float) -> float:
        share = constrained_loss_share(losses, wins, rows, gain)
        variance = rows * (2 * share + gain * (1 - gain))
        distance = wins - losses - rows * gain
        return distance**2 - Z**2 * max(variance, 0.0)

    estimate = (wins - losses) / rows
    return bisect(excess, -1.0, estimate), bisect(excess, 1.0, estimate)


Z = float(special.ndtri(0.975))


def constrained_loss_share(losses: int, wins: int, rows: int, gain: float) -> float:
    """Maximum-likelihood share of rows that got worse when the gain is held at `gain` (Tango 1998)."""
    b = -wins - losses + (2 * rows - wins + losses) * gain
    c = -losses * gain * (1 - gain)
    return (math.sqrt(max(b * b - 8 * rows * c, 0.0)) - b) / (4 * rows)


def bisect(excess, outside: float, inside: float) -> float:
    """Where `excess` turns from positive (outside the interval) to not positive; `outside` if it is inside too."""
    if excess(outside) <= 0:
        return outside
    for _ in range(60):
        middle = (outside + inside) / 2
        outside, inside = (middle, inside) if excess(middle) > 0 else (outside, middle)
    return inside


def wilson(k: int, n: int, z: float = Z) -> tuple[float, float]:
    """Interval of a share k / n (Wilson 1927), 95% unless `z` is another normal quantile; (0, 1) when n is 0. Raises
    DataError unless 0 <= k <= n."""
    if not 0 <= k <= n:
        raise DataError("a share needs 0 <= k <= n", value=(k, n))
    if n == 0:
        return 0.0, 1.0
    centre = (k + z**2 / 2) / (n + z**2)
    reach = z * math.sqrt(k * (n - k) / n + z**2 / 4) / (n + z**2)
    return (0.0 if k == 0 else centre - reach), (1.0 if k == n else centre + reach)


def mean_interval(values: ArrayLike, seed: int = 0, clusters: Sequence[object] | None = None) -> tuple[float, float]:
    """95% interval of a mean: Wilson for scores of 0 and 1, otherwise, and by clusters where rows share one, as
    whet/stats/resample.py; scores outside 0..1 are taken to lie within +-the largest one seen."""
    values_N = scores(values, "these")
    group_N = cluster_codes(clusters, values_N.size)
    if group_N is None and is_binary(values_N):
        return wilson(int(values_N.sum()), values_N.size)
    reach = float(np.abs(values_N).max())

    if in_unit(values_N):
        bounds = (0.0, 1.0)
    else:
        bounds = (-reach, reach)

    return resample.interval(*resample.cluster_sums(values_N, group_N), seed, bounds)


def win_interval(
    outcomes: ArrayLike, seed: int, clusters: Sequence[object] | None
) -> tuple[float, float, float] | None:
    """(low, high, p) of a win rate over clusters, where 1 is a win, 0.5 a tie, 0 a loss: the paired difference from a
    coin, so that the interval contains 0.5 exactly where p is 0.05 or more. None where every row is alone."""
    won_N = scores(outcomes, "these")
    if cluster_codes(clusters, won_N.size) is None:
        return None
    found = paired_difference(np.full(won_N.size, 0.5), won_N, seed, clusters)
    return max(0.0, 0.5 + found.low), min(1.0, 0.5 + found.high), found.p


def scores(values: ArrayLike, whose: str) -> np.ndarray:
    """A flat float array. Raises DataError when it is empty or not flat, NonFiniteError with the first bad row."""
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or array.size == 0:
        raise DataError(f"{whose} scores must be a list of at least one number", value=array.shape)

    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise NonFiniteError(
            f"{bad.size} of the {whose} scores are not numbers",
            where=f"score {bad[0] + 1} of {array.size}",
            value=float(array[bad[0]]),
            fix="a score that could not be computed must be an error of its row, never a gap in the average",
        )

    return array


def clusters_of(rows: Sequence[Row]) -> list[str] | None:
    """What keeps rows that are not independent together in a comparison: the cluster found among the test rows, else
    the group; None where every row is alone."""
    return _clusters([(row.cluster or row.group, row.index) for row in rows])


def cluster_sizes(rows: Sequence[Row]) -> tuple[int, ...]:
    """How many rows each cluster has; rows that are alone are clusters of one."""
    return tuple(Counter(clusters_of(rows) or range(len(rows))).values())


def clusters_of_lines(lines: Sequence[Mapping[str, Any]]) -> list[str] | None:
    """The same, of lines of answers.jsonl."""
    return _clusters([(line.get("cluster") or line.get("group"), line.get("row")) for line in lines])


def _clusters(found: Sequence[tuple[str | None, object]]) -> list[str] | None:
    if any(name for name, _ in found):
        return [name or f"row {row}" for name, row in found]
    return None


def cluster_codes(clusters: Sequence[object] | None, rows: int) -> np.ndarray | None:
    """Clusters as numbers, or None when every row is alone."""
    if clusters is None:
        return None
    if len(clusters) != rows:
        raise DataError("clusters must name one cluster a row", value=(len(clusters), rows))
    seen: dict[object, int] = {}
    codes = np.array([seen.setdefault(cluster, len(seen)) for cluster in clusters])
    return None if len(seen) == rows else codes


def is_binary(values: np.ndarray) -> bool:
    return bool(np.all((values == 0) | (values == 1)))


def in_unit(values: np.ndarray) -> bool:
    return bool(np.all((values >= 0) & (values <= 1)))
