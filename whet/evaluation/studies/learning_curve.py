"""The learning curve: how the score grew with the training rows, and what twice as many would likely bring.

    error(n) = a + b n^-c,    error = 1 - score

The power law of learning curves (Hestness et al. 2017, arXiv 1712.00409; Rosenfeld et al. 2020, arXiv 1909.12673),
fitted by weighted least squares within 0 <= a, 0 <= b and the bounds of c below. For a fixed c it is linear in a and b,
so c is searched on a grid and a, b are solved for exactly: there is no local optimum to fall into, and it is the same
least squares that scipy's solver finds from a good start.

The interval of the forecast has two sources. The test rows are a sample: they are drawn again, whole clusters of them,
the same ones for all sizes. And a training run has luck, in which rows and which order it met: each point is moved by a
normal error of TRAINING_NOISE, or more where the points lie farther off the curve than the test rows explain.

Legend: S sizes, N test rows, B resamples, C exponents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NotRequired, TypedDict

import numpy as np
from scipy import special

from whet.errors import DataError
from whet.evaluation.facts import MetricFacts
from whet.stats.paired import cluster_codes, mean_interval
from whet.stats.resample import CHUNK, cluster_sums

SHARES = (1 / 8, 1 / 4, 1 / 2, 1.0)
EXPONENTS = np.geomspace(0.05, 2.0, 120)
"""Published exponents lie between 0.07 and 0.5 (Hestness et al.); small sets and easy tasks fall faster."""
TRAINING_NOISE = 0.01
"""Standard deviation of a score between training runs that differ by chance alone, at least: fine-tunes that differ by
their seed spread by one to two points (Dodge et al. 2020, arXiv 2002.06305, where none failed)."""
RESAMPLES = 2000
MISFIT = 0.05
"""Points that lie this far off the best curve are on no power law: a skill that appears at some size rises faster."""
LEAST_GAIN = 0.01
"""A gain of less than a point for twice the rows is called flat."""
GainWord = Literal["helps", "flat", "undecided"]


@dataclass(frozen=True, slots=True)
class Fit:
    """error(n) = a + b n^-c, for arrays of fits. `last` is the size that b is scaled by: b n^-c = reach (n/last)^-c."""

    a_B: np.ndarray
    reach_B: np.ndarray
    c_B: np.ndarray
    last: float

    def error(self, rows: float) -> np.ndarray:
        return self.a_B + self.reach_B * (rows / self.last) ** -self.c_B


def fit(rows_S: np.ndarray, errors_BS: np.ndarray, weights_S: np.ndarray) -> tuple[Fit, np.ndarray]:
    """The best curve for each line of errors, and its weighted sum of squares."""
    last = float(rows_S[-1])
    best_B = np.full(len(errors_BS), np.inf)

    a_best_B, reach_best_B, c_best_B = (np.zeros(len(errors_BS)) for _ in range(3))
    for c in EXPONENTS:
        shape_S = (rows_S / last) ** -c
        for a_B, reach_B in _candidates(shape_S, errors_BS, weights_S):
            residual_BS = errors_BS - a_B[:, None] - reach_B[:, None] * shape_S
            squares_B = (weights_S * residual_BS**2).sum(1)
            better_B = (squares_B < best_B - 1e-15) & (a_B >= 0) & (reach_B >= 0)
            best_B[better_B] = squares_B[better_B]
            a_best_B[better_B], reach_best_B[better_B], c_best_B[better_B] = a_B[better_B], reach_B[better_B], c

    return Fit(a_best_B, reach_best_B, c_best_B, last), best_B


def _candidates(
    shape_S: np.ndarray, errors_BS: np.ndarray, weights_S: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Least squares in (a, reach): free, and on each border of the quadrant. The best one inside it is the optimum."""
    total, zero_B = weights_S.sum(), np.zeros(len(errors_BS))
    shape_mean, error_mean_B = (weights_S * shape_S).sum() / total, (errors_BS * weights_S).sum(1) / total
    spread = (weights_S * (shape_S - shape_mean) ** 2).sum()
    slope_B = (errors_BS * (weights_S * (shape_S - shape_mean))).sum(1) / spread
    through_B = (errors_BS * (weights_S * shape_S)).sum(1) / (weights_S * shape_S**2).sum()
    return [(error_mean_B - slope_B * shape_mean, slope_B), (zero_B, through_B), (error_mean_B, zero_B)]


class CurvePoint(TypedDict):
    """A score with its 95% interval; `share` and `run` where it is that of a run."""

    rows: int
    score: float
    low: float
    high: float
    share: NotRequired[float]
    run: NotRequired[str]


class FitFacts(TypedDict):
    """error(n) = a + b n^-c."""

    a: float
    b: float
    c: float


class GainFacts(TypedDict):
    estimate: float
    low: float
    high: float


class CurveFacts(TypedDict):
    """What `forecast` gives; with the last two keys curve.json."""

    points: list[CurvePoint]
    test_rows: int
    fit: FitFacts
    noise: float
    """The luck of a training run, as a standard deviation."""
    last_doubling: float
    next: CurvePoint | None
    """The forecast for twice the rows; None if there is none, as for `gain`."""
    gain: GainFacts | None
    word: GainWord
    sentence: str
    metric: NotRequired[MetricFacts]
    base: NotRequired[float]
    """The base's score."""


def forecast(
    rows: Sequence[int], scores_SN: Sequence[Sequence[float]], clusters: Sequence[object] | None = None, seed: int = 0
) -> CurveFacts:
    """What is known from the scores of models trained on so many rows, each on the same test rows, from 0 to 1.

    If the points lie on no power law, or every row scores the same at every size, there is no forecast. Raises
    DataError for fewer than three sizes or scores outside 0..1.
    """
    rows_S, scores = np.asarray(rows, float), np.asarray(scores_SN, float)
    _refuse(rows_S, scores)
    means_BS = _resampled(scores, cluster_codes(clusters, scores.shape[1]), seed)
    errors_S, variance_S = 1 - scores.mean(1), means_BS.var(0)
    noise, lawful = _noise(rows_S, errors_S, means_BS)
    lawful = lawful and bool(np.ptp(scores) > 0)  # rows drawn again from equal ones say nothing of chance

    weights_S = 1 / (variance_S + noise**2)
    curve, _ = fit(rows_S, errors_S[None], weights_S)
    moved_BS = 1 - means_BS + np.random.default_rng(seed + 1).normal(0, noise, means_BS.shape)
    curves, _ = fit(rows_S, moved_BS, weights_S)
    gain, twice = _twice_the_rows(curve, curves)

    facts: CurveFacts = {
        "points": [_point(n, line, clusters, seed) for n, line in zip(rows, scores, strict=True)],
        "test_rows": scores.shape[1],
        "fit": {
            "a": float(curve.a_B[0]),
            "b": float(curve.reach_B[0] * curve.last ** curve.c_B[0]),
            "c": float(curve.c_B[0]),
        },
        "noise": noise,
        "last_doubling": float(errors_S[-2] - errors_S[-1]),
        "next": twice if lawful else None,
        "gain": gain if lawful else None,
        "word": _word(gain) if lawful else "undecided",
        "sentence": "",
    }
    facts["sentence"] = _sentence(facts)
    return facts


def _twice_the_rows(curve: Fit, curves: Fit) -> tuple[GainFacts, CurvePoint]:
    """What twice the rows of the last size would bring, and the score there: by the best curve, with intervals from the
    curves through points that were moved by chance."""
    last, ahead = curve.last, 2 * curve.last
    estimate = float((curve.error(last) - curve.error(ahead))[0])
    low, high = _bounds(curves.error(last) - curves.error(ahead), estimate)
    gain: GainFacts = {"estimate": estimate, "low": low, "high": high}

    expected = float(1 - curve.error(ahead)[0])
    low, high = _bounds(1 - curves.error(ahead), expected)
    return gain, {"rows": int(ahead), "score": expected, "low": low, "high": high}


def _word(gain: GainFacts) -> GainWord:
    if gain["high"] < LEAST_GAIN:
        return "flat"
    if gain["low"] >= LEAST_GAIN:
        return "helps"
    return "undecided"


def _resampled(scores_SN: np.ndarray, codes_N: np.ndarray | None, seed: int) -> np.ndarray:
    """Mean scores of all sizes over test rows drawn with replacement, whole clusters: (B, S)."""
    units = [cluster_sums(line, codes_N) for line in scores_SN]
    sums_SU, sizes_U = np.stack([sums for sums, _ in units]), units[0][1]
    random, count = np.random.default_rng(seed), sizes_U.size

    step, drawn = max(1, CHUNK // count), []
    for start in range(0, RESAMPLES, step):
        picks_BU = random.integers(0, count, (min(step, RESAMPLES - start), count))
        drawn.append(sums_SU[:, picks_BU].sum(2).T / sizes_U[picks_BU].sum(1)[:, None])

    return np.concatenate(drawn)


def _noise(rows_S: np.ndarray, errors_S: np.ndarray, means_BS: np.ndarray) -> tuple[float, bool]:
    """The luck of a training run, as a standard deviation: what the points' distance from the curve asks for beyond the
    test rows, whose error the sizes largely share, and at least TRAINING_NOISE. And whether the points may lie on a
    power law: not where they are MISFIT off it and farther than chance explains (chi-squared, 5%)."""
    curve, _ = fit(rows_S, errors_S[None], np.ones(len(rows_S)))
    fitted_S = np.array([curve.error(n)[0] for n in rows_S])
    free = max(1, len(rows_S) - 3)
    own = float((means_BS - means_BS.mean(1, keepdims=True)).var(0).mean())
    squares = float(((errors_S - fitted_S) ** 2).sum())
    noise = max(TRAINING_NOISE, max(0.0, squares / free - own) ** 0.5)
    chance = float(special.chdtri(free, 0.05)) * (own + TRAINING_NOISE**2)

    return noise, noise <= MISFIT or squares <= chance


def _bounds(values_B: np.ndarray, estimate: float) -> tuple[float, float]:
    """A 95% interval that holds the estimate."""
    low, high = np.quantile(values_B, [0.025, 0.975])
    return min(float(low), estimate), max(float(high), estimate)


def _point(rows: int, scores_N: np.ndarray, clusters: Sequence[object] | None, seed: int) -> CurvePoint:
    low, high = mean_interval(scores_N, seed, clusters)
    return {"rows": rows, "score": float(scores_N.mean()), "low": low, "high": high}


def _refuse(rows_S: np.ndarray, scores_SN: np.ndarray) -> None:
    if len(rows_S) < 3 or scores_SN.shape[:1] != rows_S.shape or np.any(np.diff(rows_S) <= 0):
        what = "a learning curve needs three sizes or more, each larger than the one before"
        raise DataError(what, value=rows_S.tolist(), fix="bring more training rows")
    if scores_SN.ndim != 2 or not scores_SN.shape[1] or scores_SN.min() < 0 or scores_SN.max() > 1:
        raise DataError("scores on a learning curve lie between 0 and 1, one a test row", value=scores_SN.shape)


def _sentence(facts: CurveFacts) -> str:
    gain, before, last = facts["gain"], facts["points"][-2], facts["points"][-1]
    now = f"{last['rows']:,} training rows reach {100 * last['score']:.1f}%"
    more = f"twice as many ({2 * last['rows']:,})"

    if gain is None and facts["noise"] <= MISFIT:
        alike = f"every one of the {facts['test_rows']:,} test rows scores {100 * last['score']:.1f}% at every size"
        return f"Nothing can be forecast: {alike}. Look at the answers, train for longer, or bring other test rows."
    if gain is None:
        off = f"The points lie on no power law (about {100 * facts['noise']:.0f} points off the best one)"
        risen = f"{100 * facts['last_doubling']:+.1f} points against {before['rows']:,}"
        return f"{off}, so what {more} would bring cannot be forecast: {now}, {risen}."

    likely = f"{100 * gain['estimate']:.1f} points (95% interval {100 * gain['low']:.1f} to {100 * gain['high']:.1f})"
    if facts["word"] == "helps":
        return f"More data helps: {now}, and {more} would likely bring {likely} more."
    if facts["word"] == "flat":
        return f"The curve is flat: {now}, and {more} would likely bring at most {100 * gain['high']:.1f} points more."
    return f"The points cannot tell: {now}, and {more} may bring {likely} more."
