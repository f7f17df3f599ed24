"""The learning curve's fit beside scipy's solver, its forecast on curves that are known, and what it says in words."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from scipy import special
from scipy.optimize import least_squares

from whet.errors import DataError
from whet.evaluation.studies import learning_curve as curve
from whet.evaluation.studies.learning_curve import EXPONENTS, fit, forecast
from whet.reports.curve_picture import svg
from whet.stats.paired import wilson

ROWS = np.array([50.0, 100.0, 200.0, 400.0])


def by_scipy(errors: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """The smallest weighted sum of squares that scipy's bounded solver finds from many starts, and the error that this
    curve forecasts for twice the rows."""

    def residuals(found: np.ndarray) -> np.ndarray:
        a, reach, c = found
        return np.sqrt(weights) * (a + reach * (ROWS / ROWS[-1]) ** -c - errors)

    bounds = ([0, 0, EXPONENTS[0]], [np.inf, np.inf, EXPONENTS[-1]])
    starts = [(a, reach, c) for a in (0.01, 0.3) for reach in (0.01, 0.3) for c in (0.1, 0.5, 1.5)]
    solved = [least_squares(residuals, start, bounds=bounds, xtol=1e-12, ftol=1e-12) for start in starts]
    best = min(solved, key=lambda found: found.cost)
    return 2 * best.cost, best.x[0] + best.x[1] * 2 ** -best.x[2]


@pytest.mark.parametrize("seed", range(8))
def test_the_fit_is_scipys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, c = rng.uniform(0, 0.3), rng.uniform(0.1, 1.0)
    errors = a + (rng.uniform(a, 0.95) - a) * (ROWS / 50) ** -c + rng.normal(0, 0.01, 4)
    weights = rng.uniform(1, 5, 4)
    found, squares = fit(ROWS, errors[None], weights)
    own = sum(w * (found.error(n)[0] - e) ** 2 for w, n, e in zip(weights, ROWS, errors, strict=True))
    least, ahead = by_scipy(errors, weights)
    assert squares[0] == pytest.approx(own) and found.a_B[0] >= 0 and found.reach_B[0] >= 0
    assert least - 1e-9 <= squares[0] <= least + 5e-5
    assert found.error(800)[0] == pytest.approx(ahead, abs=0.004), "the grid of exponents is fine enough"


def test_an_exact_power_law_is_found_again() -> None:
    c = float(EXPONENTS[60])
    found, squares = fit(ROWS, (0.1 + 2.0 * ROWS**-c)[None], np.ones(4))
    assert squares[0] < 1e-12
    assert found.error(800)[0] == pytest.approx(0.1 + 2.0 * 800**-c, abs=1e-6)
    assert (found.a_B[0], found.c_B[0]) == pytest.approx((0.1, c), abs=1e-6)


def test_errors_that_rise_are_a_flat_curve_and_not_a_promise() -> None:
    found, _ = fit(ROWS, np.array([[0.1, 0.2, 0.2, 0.3]]), np.ones(4))
    assert found.reach_B[0] == 0 and found.a_B[0] == pytest.approx(0.2)


def scores(errors: np.ndarray, rows: int, rng: np.random.Generator) -> np.ndarray:
    """Right or wrong of each size on the same test rows: hard rows are hard for all sizes."""
    shared, own = special.ndtri(rng.random(rows)), special.ndtri(rng.random((len(errors), rows)))
    return (special.ndtr(0.8 * shared + 0.6 * own) >= errors[:, None]).astype(float)


def simulated(count: int, noise: float, rows: int, seed: int) -> tuple[float, float, int, int]:
    """Shares of forecasts whose interval holds the true score and the true gain of twice the rows; and how often
    `helps` or `flat` was said of a true gain on the other side of LEAST_GAIN."""
    rng = np.random.default_rng(seed)
    inside = np.zeros(2)
    wrong = [0, 0]
    for _ in range(count):
        a, c = rng.uniform(0, 0.3), rng.uniform(0.1, 1.0)
        reach = (rng.uniform(a, 0.95) - a) * 8.0**-c
        errors = a + reach * (ROWS / 400) ** -c
        facts = forecast(
            ROWS.astype(int).tolist(), scores(np.clip(errors + rng.normal(0, noise, 4), 0, 1), rows, rng).tolist()
        )
        ahead, gain = 1 - a - reach * 2**-c, reach * (1 - 2**-c)
        if facts["next"] is None:
            inside += 1  # no forecast is no wrong one
            continue
        inside += [
            facts["next"]["low"] <= ahead <= facts["next"]["high"],
            facts["gain"]["low"] <= gain <= facts["gain"]["high"],
        ]
        wrong[0] += facts["word"] == "helps" and gain < curve.LEAST_GAIN
        wrong[1] += facts["word"] == "flat" and gain >= curve.LEAST_GAIN
    return inside[0] / count, inside[1] / count, *wrong


def test_intervals_cover_on_simulated_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curve, "RESAMPLES", 300)
    ahead, gain, false_help, false_flat = simulated(60, 0.01, 300, seed=1)
    assert min(ahead, gain) >= 0.88 and false_help + false_flat <= 3


@pytest.mark.slow
@pytest.mark.parametrize(("noise", "rows"), [(0.0, 200), (0.01, 200), (0.01, 500), (0.02, 500)])
def test_intervals_cover_on_many_simulated_curves(monkeypatch: pytest.MonkeyPatch, noise: float, rows: int) -> None:
    monkeypatch.setattr(curve, "RESAMPLES", 400)
    ahead, gain, false_help, false_flat = simulated(300, noise, rows, seed=2)
    least = 0.93 if noise <= curve.TRAINING_NOISE else 0.89  # with twice the assumed luck the interval is too narrow
    assert min(ahead, gain) >= least
    assert false_help <= 0.025 * 300 and false_flat <= 0.025 * 300


def test_the_words_follow_the_interval_of_the_gain() -> None:
    rng = np.random.default_rng(0)
    steep = forecast([50, 100, 200, 400], scores(0.8 * (ROWS / 50) ** -0.5, 2000, rng).tolist())
    assert steep["word"] == "helps" and "More data helps: 400 training rows reach" in steep["sentence"]
    flat = forecast([50, 100, 200, 400], scores(np.full(4, 0.02), 2000, rng).tolist())
    assert flat["word"] in ("flat", "undecided") and flat["gain"]["estimate"] < 0.01
    few = forecast([50, 100, 200, 400], scores(0.5 * (ROWS / 50) ** -0.2, 40, np.random.default_rng(1)).tolist())
    assert few["word"] == "undecided" and "cannot tell" in few["sentence"]


def test_a_skill_that_appears_at_some_size_is_not_forecast() -> None:
    rng = np.random.default_rng(0)
    facts = forecast([50, 100, 200, 400], scores(np.array([0.8, 0.75, 0.45, 0.1]), 300, rng).tolist())
    assert facts["word"] == "undecided" and "no power law" in facts["sentence"]
    assert facts["next"] is None and facts["gain"] is None and svg(facts).count("<circle") == 4
    assert facts["last_doubling"] == pytest.approx(facts["points"][3]["score"] - facts["points"][2]["score"])


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_rows_that_all_score_the_same_are_no_flat_curve(score: float) -> None:
    facts = forecast([6, 12, 24, 48], [[score] * 6] * 4)
    assert facts["word"] == "undecided" and facts["next"] is None
    assert f"every one of the 6 test rows scores {100 * score:.1f}%" in facts["sentence"]


def test_points_have_the_interval_of_their_score_and_clusters_widen_the_forecast() -> None:
    hardness = (np.arange(60) + 0.5) / 60
    lines = np.repeat((hardness >= (0.6 * (ROWS / 50) ** -0.5)[:, None]).astype(float), 10, axis=1)
    alone = forecast([50, 100, 200, 400], lines.tolist())
    grouped = forecast([50, 100, 200, 400], lines.tolist(), [n // 10 for n in range(600)])
    width = [facts["next"]["high"] - facts["next"]["low"] for facts in (alone, grouped)]
    assert width[1] > 1.5 * width[0]
    right = int(lines[0].sum())
    assert (alone["points"][0]["low"], alone["points"][0]["high"]) == pytest.approx(wilson(right, 600))


def test_too_few_sizes_and_foreign_scores_are_refused() -> None:
    with pytest.raises(DataError, match="three sizes"):
        forecast([1, 2], [[0.5], [0.5]])
    with pytest.raises(DataError, match="three sizes"):
        forecast([1, 3, 3], [[0.5]] * 3)
    with pytest.raises(DataError, match="between 0 and 1"):
        forecast([1, 2, 3], [[2.0]] * 3)


def test_the_picture_is_well_formed_and_inside_its_frame() -> None:
    rng = np.random.default_rng(0)
    facts = forecast([50, 100, 200, 400], scores(0.8 * (ROWS / 50) ** -0.5, 200, rng).tolist())
    picture = ElementTree.fromstring(svg(facts))
    circles = [element.attrib for element in picture.iter() if element.tag.endswith("circle")]
    assert len(circles) == 5
    assert all(0 < float(dot["cx"]) < 640 and 0 < float(dot["cy"]) < 360 for dot in circles)
    words = "".join(picture.itertext())
    assert "400" in words and "800" in words
