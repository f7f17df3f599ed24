"""Intervals and tests that only look at the rows themselves: bootstrap and sign flips, over rows or clusters.

A unit is what is drawn: a row, or all rows of one cluster. Legend: U units, M units that differ, B resamples.
`sums_U` holds the sum of the values of each unit and `sizes_U` its weight (rows, or bytes); the estimate is
sum(sums) / sum(sizes). How often these intervals cover, and how often chance passes for a gain, is measured by
bench/shown/statistics.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special

LEVEL = 0.95
RESAMPLES = 10_000
EXACT_UNITS = 16
FEW_UNITS = 5
"""Below this most resamples repeat one unit, and Student's t is used instead of the bootstrap."""
CHUNK = 2_000_000
KEPT_UNITS = 500
"""Draws for up to so many units, the most test rows that a split makes by itself, are kept for the next comparison on
the same rows: at most 40 MB, twice."""

Draw = Callable[[np.random.Generator, int, int], np.ndarray]
"""From the number of units, and of draws, to a line (units) a draw."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95% interval, and the two-sided p of 0 that belongs to it: below 0.05 where 0 lies outside."""

    low: float
    high: float
    p: float


def differences(base_N: np.ndarray, tuned_N: np.ndarray) -> np.ndarray:
    """Tuned minus base; what is only rounding noise of the scores is a tie."""
    change_N = tuned_N - base_N
    noise = 1e-12 * max(1.0, float(np.abs(base_N).max()), float(np.abs(tuned_N).max()))
    return np.where(np.abs(change_N) <= noise, 0.0, change_N)


def cluster_sums(values: np.ndarray, clusters: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """(sums_U, sizes_U) of values of rows; each row is its own unit without clusters."""
    if clusters is None:
        return values.astype(float), np.ones(values.size)
    codes = np.unique(np.asarray(clusters), return_inverse=True)[1]
    return np.bincount(codes, values), np.bincount(codes).astype(float)


def interval(sums_U: np.ndarray, sizes_U: np.ndarray, seed: int, bounds: tuple[float, float]) -> tuple[float, float]:
    """(low, high) of `interval_with_p`."""
    found = interval_with_p(sums_U, sizes_U, seed, bounds)
    return found.low, found.high


def interval_with_p(sums_U: np.ndarray, sizes_U: np.ndarray, seed: int, bounds: tuple[float, float]) -> Interval:
    """A 95% interval of sum(sums) / sum(sizes), for values of one row that lie within `bounds`, and its p of 0.

    The symmetric bootstrap-t from 5 units on, Student's t with the clustered standard error below. Units that all
    agree say nothing about their spread; then the share of unseen units that may differ is bounded instead (with U
    agreeing units it is at most 1 - 0.05^(1/U), the exact "rule of three"), and p says no more than on
    which side of 0.05 it lies.
    """
    rates_U = sums_U / sizes_U
    if float(np.ptp(rates_U)) <= 1e-12 * max(1.0, float(np.abs(rates_U).max())):
        low, high = all_equal(float(sums_U.sum() / sizes_U.sum()), sums_U.size, bounds)
        return Interval(low, high, 0.0 if low > 0 or high < 0 else 1 - LEVEL)

    if sums_U.size < FEW_UNITS:
        found = student(sums_U, sizes_U)
    else:
        found = bootstrap_t(sums_U, sizes_U, seed)

    return Interval(max(found.low, bounds[0]), min(found.high, bounds[1]), found.p)


def all_equal(value: float, units: int, bounds: tuple[float, float]) -> tuple[float, float]:
    unseen = 1 - (1 - LEVEL) ** (1 / units)
    return (1 - unseen) * value + unseen * bounds[0], (1 - unseen) * value + unseen * bounds[1]


def standard_error(sums_U: np.ndarray, sizes_U: np.ndarray) -> float:
    """Of a ratio of sums, linearised; for units of size 1 the usual s / sqrt(U). Needs two units."""
    estimate = sums_U.sum() / sizes_U.sum()
    residual_U = sums_U - estimate * sizes_U
    units = sums_U.size
    return math.sqrt(units / (units - 1) * float(np.sum(residual_U**2))) / float(sizes_U.sum())


def student(sums_U: np.ndarray, sizes_U: np.ndarray) -> Interval:
    """Student's t with one degree of freedom less than units."""
    estimate, error = float(sums_U.sum() / sizes_U.sum()), standard_error(sums_U, sizes_U)
    freedom = sums_U.size - 1
    reach = float(special.stdtrit(freedom, (1 + LEVEL) / 2)) * error
    return Interval(estimate - reach, estimate + reach, float(2 * special.stdtr(freedom, -abs(estimate) / error)))


def bootstrap_t(sums_U: np.ndarray, sizes_U: np.ndarray, seed: int) -> Interval:
    """Symmetric bootstrap-t: the studentised distance from the estimate that 95% of the resamples stay within.

    Hall 1988, "On symmetric bootstrap confidence intervals" (JRSS B 50:35-45); over clusters it is the pairs cluster
    bootstrap-t of Cameron, Gelbach and Miller 2008 (doi:10.1162/rest.90.3.414). Unlike the percentile and the BCa
    bootstrap it holds its level with few units, and unlike Student's t with clusters of unequal sizes.
    """
    estimate, error = float(sums_U.sum() / sizes_U.sum()), standard_error(sums_U, sizes_U)
    distance_B = studentised(sums_U, sizes_U, seed)
    allowed = round((1 - LEVEL) * RESAMPLES)
    reach = float(np.partition(distance_B, -allowed)[-allowed]) * error
    beyond = int(np.sum(distance_B >= abs(estimate) / error))

    return Interval(estimate - reach, estimate + reach, (beyond + 1) / (RESAMPLES + 1))


def studentised(sums_U: np.ndarray, sizes_U: np.ndarray, seed: int) -> np.ndarray:
    """|estimate of a resample - estimate| / standard error of the resample, for each of the B resamples. A resample
    without any spread of its own is infinitely far away, unless it agrees with the estimate."""
    units, estimate = sums_U.size, float(sums_U.sum() / sizes_U.sum())
    residual_U = sums_U - estimate * sizes_U  # so that no large mean drowns the spread
    wanted = [residual_U, residual_U**2]

    if np.ptp(sizes_U):
        wanted += [sizes_U, residual_U * sizes_U, sizes_U**2]
    shift, square, *weighted = resampled(wanted, seed)
    size, cross, size_square = weighted or (sizes_U.sum(), shift * sizes_U[0], sizes_U[0] * sizes_U.sum())
    moved_B = shift / size
    left = square - 2 * moved_B * cross + moved_B**2 * size_square
    error_B = np.sqrt(np.maximum(left, 0.0) * units / (units - 1)) / size
    scale = standard_error(sums_U, sizes_U)
    flat_B = error_B <= 1e-6 * scale
    away_B = np.where(np.abs(moved_B) <= 1e-9 * scale, 0.0, np.inf)

    return np.where(flat_B, away_B, np.abs(moved_B) / np.where(flat_B, 1.0, error_B))


def resampled(columns: Sequence[np.ndarray], seed: int) -> list[np.ndarray]:
    """The sum over the units of each resample, of each column (U): one (B) a column."""
    parts = []
    for counts in bootstrap_counts(columns[0].size, seed):
        parts.append([counts @ column for column in columns])
    return [np.concatenate(found) for found in zip(*parts, strict=True)]


def bootstrap_counts(units: int, seed: int) -> Iterator[np.ndarray]:
    """How often each unit is drawn in each of the B resamples, in chunks so that memory stays flat."""
    return _drawn(_draw_counts, units, seed)


def chunks(units: int) -> list[int]:
    """Resamples of each chunk; B together."""
    step = max(1, CHUNK // units)
    return [min(step, RESAMPLES - start) for start in range(0, RESAMPLES, step)]


def _drawn(draw: Draw, units: int, seed: int) -> Iterator[np.ndarray]:
    """B draws in chunks; of few units all at once, kept for the next comparison."""
    if units <= KEPT_UNITS:
        return iter([_kept(draw, units, seed)])
    random = np.random.default_rng(seed)
    return (draw(random, units, number) for number in chunks(units))


@lru_cache(maxsize=2)
def _kept(draw: Draw, units: int, seed: int) -> np.ndarray:
    return draw(np.random.default_rng(seed), units, RESAMPLES)


def _draw_counts(random: np.random.Generator, units: int, resamples: int) -> np.ndarray:
    picks = random.integers(0, units, (resamples, units)) + units * np.arange(resamples)[:, None]
    return np.bincount(picks.ravel(), minlength=resamples * units).reshape(resamples, units).astype(float)


def sign_flip(sums_U: np.ndarray, seed: int) -> tuple[float, str]:
    """Two-sided p that the units' differences are as likely positive as negative, and the name of the test.

    Exact over all sign patterns for at most 16 units that differ, otherwise 10,000 random patterns with the
    observed one counted (Phipson and Smyth 2010, doi:10.2202/1544-6115.1585), so that p is never 0. Over clusters
    this is the wild cluster bootstrap with the null imposed (Cameron, Gelbach and Miller 2008).
    """
    moved_M = sums_U[sums_U != 0]
    if moved_M.size == 0:
        return 1.0, "exact sign-flip"

    observed = abs(float(moved_M.sum())) - 1e-9 * float(np.abs(moved_M).sum())
    if moved_M.size <= EXACT_UNITS:
        return float(np.mean(np.abs(_all_signs(moved_M.size) @ moved_M) >= observed)), "exact sign-flip"

    extreme = sum(int(np.sum(np.abs(signs @ moved_M) >= observed)) for signs in random_signs(moved_M.size, seed))
    return (extreme + 1) / (RESAMPLES + 1), "sign-flip with 10,000 random patterns"


@lru_cache(maxsize=EXACT_UNITS)
def _all_signs(units: int) -> np.ndarray:
    return 2.0 * (np.arange(2**units)[:, None] >> np.arange(units) & 1) - 1


def random_signs(units: int, seed: int) -> Iterator[np.ndarray]:
    """B random sign patterns, in chunks as in `bootstrap_counts`."""
    return _drawn(_draw_signs, units, seed)


def _draw_signs(random: np.random.Generator, units: int, patterns: int) -> np.ndarray:
    return 2.0 * random.integers(0, 2, (patterns, units), dtype=np.int8) - 1
