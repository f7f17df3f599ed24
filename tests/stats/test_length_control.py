"""Preference at equal lengths, against statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import special

from whet.evaluation.metrics.preference_accuracy import PairLogprobs, at_equal_length, reward_gains, reward_margins
from whet.stats.length_control import length_controlled


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_intercept_of_a_logistic_regression(seed: int) -> None:
    rng = np.random.default_rng(seed)
    longer = rng.normal(5, 20, 300)
    scaled = np.tanh(longer / longer.std())
    won = (rng.random(300) < special.expit(0.4 + 1.5 * scaled)).astype(float)
    won[:20] = 0.5
    found = length_controlled(won.tolist(), longer.tolist())
    model = sm.GLM(won, sm.add_constant(scaled), family=sm.families.Binomial()).fit()
    low, high = special.expit(model.conf_int()[0])
    assert found is not None
    assert (found["slope"], found["slope_error"]) == pytest.approx((model.params[1], model.bse[1]), rel=1e-4)
    assert [found[key] for key in ("rate", "low", "high")] == pytest.approx(
        [special.expit(model.params[0]), low, high], rel=1e-4
    )


def test_who_only_likes_the_longer_answer_is_at_a_coin_at_equal_lengths() -> None:
    rng = np.random.default_rng(0)
    longer = np.abs(rng.normal(20, 10, 400))  # the better answer is always the longer one
    longer[:80] *= -1
    won = (rng.random(400) < special.expit(longer / 10)).astype(float)
    found = length_controlled(won.tolist(), longer.tolist())
    assert found is not None and won.mean() > 0.65 and found["low"] < 0.5 < found["high"]


@pytest.mark.parametrize(
    ("won", "longer"),
    [([1.0] * 40, list(range(40))), ([1.0, 0.0] * 20, [3] * 40), ([0.0] * 20 + [1.0] * 20, range(-20, 20)),
     ([1.0, 0.0], [1, 2])],
)  # fmt: skip
def test_without_a_solution_there_is_no_figure(won: list[float], longer: list[float]) -> None:
    assert length_controlled(won, list(longer)) is None


def test_margins_and_their_intervals_are_those_of_the_gains() -> None:
    base = {n: PairLogprobs(-10, -10, 5 + n % 3, 5) for n in range(40)}
    tuned = {n: PairLogprobs(-10 + (2 if n % 4 else -2), -10, 5 + n % 3, 5) for n in range(40)}
    found = reward_margins(base, tuned, 0, None)
    low, high = found["reward_accuracy_interval"]
    assert low < reward_gains(base, tuned)["reward_accuracy"] == 0.75 < high
    low, high = found["reward_margin_interval"]
    assert low < found["reward_margin"] == 1.0 < high
    equal = at_equal_length(tuned)
    assert equal is not None and equal["pairs"] == 40
