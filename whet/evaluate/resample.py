"""Intervals and tests that only look at the rows themselves: bootstrap and sign flips, over rows or clusters.

A unit is what is drawn: a row, or all rows of one cluster. Legend: U units, B resamples. `sums_U` holds the sum
of the values of each unit and `sizes_U` its weight (rows, or bytes); the estimate is sum(sums) / sum(sizes).
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

LEVEL = 0.95
RESAMPLES = 10_000
EXACT_UNITS = 16
FEW_UNITS = 20
"""Below this the bootstrap is too narrow, and Student's t is used instead."""
CHUNK = 2_000_000


def changes(base_N: np.ndarray, tuned_N: np.ndarray) -> np.ndarray:
    """Tuned minus base; what is only rounding noise of the scores is a tie."""
    change_N = tuned_N - base_N
    noise = 1e-12 * max(1.0, float(np.abs(base_N).max()), float(np.abs(tuned_N).max()))
    return np.where(np.abs(change_N) <= noise, 0.0, change_N)


def as_units(values: np.ndarray, clusters: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """(sums_U, sizes_U) of values of rows; each row is its own unit without clusters."""
    if clusters is None:
        return values.astype(float), np.ones(values.size)
    codes = np.unique(np.asarray(clusters), return_inverse=True)[1]
    return np.bincount(codes, values), np.bincount(codes).astype(float)


def interval(sums_U: np.ndarray, sizes_U: np.ndarray, seed: int, bounds: tuple[float, float]) -> tuple[float, float]:
    """A 95% interval of sum(sums) / sum(sizes), for values of one row that lie within `bounds`.

    BCa bootstrap (Efron 1987) from 20 units on, Student's t with the clustered standard error below. Units that
    all agree say nothing about their spread; then the share of unseen units that may differ is bounded instead
    (with U agreeing units it is at most 1 - 0.05^(1/U), the exact "rule of three").
    """
    rates_U = sums_U / sizes_U
    spread = float(np.ptp(rates_U))
    if spread <= 1e-12 * max(1.0, float(np.abs(rates_U).max())):
        return agreeing(float(sums_U.sum() / sizes_U.sum()), sums_U.size, bounds)
    low, high = student(sums_U, sizes_U) if sums_U.size < FEW_UNITS else bca(sums_U, sizes_U, seed)
    return max(low, bounds[0]), min(high, bounds[1])


def agreeing(value: float, units: int, bounds: tuple[float, float]) -> tuple[float, float]:
    unseen = 1 - (1 - LEVEL) ** (1 / units)
    return (1 - unseen) * value + unseen * bounds[0], (1 - unseen) * value + unseen * bounds[1]


def standard_error(sums_U: np.ndarray, sizes_U: np.ndarray) -> float:
    """Of a ratio of sums, linearised; for units of size 1 the usual s / sqrt(U). Needs two units."""
    estimate = sums_U.sum() / sizes_U.sum()
    residual_U = sums_U - estimate * sizes_U
    units = sums_U.size
    return math.sqrt(units / (units - 1) * float(np.sum(residual_U**2))) / float(sizes_U.sum())


def student(sums_U: np.ndarray, sizes_U: np.ndarray) -> tuple[float, float]:
    estimate = float(sums_U.sum() / sizes_U.sum())
    reach = float(special.stdtrit(sums_U.size - 1, (1 + LEVEL) / 2)) * standard_error(sums_U, sizes_U)
    return estimate - reach, estimate + reach


def bca(sums_U: np.ndarray, sizes_U: np.ndarray, seed: int) -> tuple[float, float]:
    """Bias-corrected and accelerated bootstrap interval (Efron 1987, doi:10.1080/01621459.1987.10478410)."""
    estimate = sums_U.sum() / sizes_U.sum()
    drawn_B = resample(sums_U, sizes_U, np.random.default_rng(seed))
    below = (np.mean(drawn_B < estimate) + np.mean(drawn_B <= estimate)) / 2
    bias = special.ndtri(np.clip(below, 1 / (2 * RESAMPLES), 1 - 1 / (2 * RESAMPLES)))
    left_out_U = (sums_U.sum() - sums_U) / (sizes_U.sum() - sizes_U)
    lean_U = left_out_U.mean() - left_out_U
    acceleration = np.sum(lean_U**3) / (6 * np.sum(lean_U**2) ** 1.5)
    tails = np.array([1 - LEVEL, 1 + LEVEL]) / 2
    shifted = bias + special.ndtri(tails)
    low, high = np.quantile(drawn_B, special.ndtr(bias + shifted / (1 - acceleration * shifted)))
    return float(low), float(high)


def resample(sums_U: np.ndarray, sizes_U: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """RESAMPLES estimates from units drawn with replacement, in chunks so that memory stays flat."""
    units = sums_U.size
    step = max(1, CHUNK // units)
    drawn = []
    for start in range(0, RESAMPLES, step):
        picks = random.integers(0, units, (min(step, RESAMPLES - start), units))
        drawn.append(sums_U[picks].sum(1) / sizes_U[picks].sum(1))
    return np.concatenate(drawn)


def sign_flip(sums_U: np.ndarray, seed: int) -> tuple[float, str]:
    """Two-sided p that the units' differences are as likely positive as negative, and the name of the test.

    Exact over all sign patterns for at most 16 units that differ, otherwise 10,000 random patterns with the
    observed one counted (Phipson and Smyth 2010, doi:10.2202/1544-6115.1585), so that p is never 0.
    """
    moved_U = sums_U[sums_U != 0]
    if moved_U.size == 0:
        return 1.0, "exact sign-flip"
    observed = abs(float(moved_U.sum())) - 1e-9 * float(np.abs(moved_U).sum())
    if moved_U.size <= EXACT_UNITS:
        patterns = np.arange(2**moved_U.size)[:, None] >> np.arange(moved_U.size) & 1
        return float(np.mean(np.abs((2 * patterns - 1) @ moved_U) >= observed)), "exact sign-flip"
    random = np.random.default_rng(seed)
    step = max(1, CHUNK // moved_U.size)
    extreme = 0
    for start in range(0, RESAMPLES, step):
        signs = 2 * random.integers(0, 2, (min(step, RESAMPLES - start), moved_U.size), dtype=np.int8) - 1
        extreme += int(np.sum(np.abs(signs @ moved_U) >= observed))
    return (extreme + 1) / (RESAMPLES + 1), "sign-flip with 10,000 random patterns"
