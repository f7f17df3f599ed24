"""What test rows can prove: the table of science.md, and statsmodels, scipy and simulation as references."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from whet.errors import DataError
from whet.evaluation.verdict import decide
from whet.stats.paired import paired_difference
from whet.stats.power import (
    detectable_gain,
    effective_size,
    exact_limit,
    mcnemar_p,
    mcnemar_power,
    power_facts,
    promised_gain,
    rejection_limit,
)
from whet.stats.rows_needed import effective_rows, rows_needed

SCIENCE = {  # points; mid-p, 80% power, two-sided 0.05; None where the gain would exceed the discordance
    50: (None, None, 16.4, 20.5, 24.0),
    100: (None, 8.2, 12.1, 15.1, 17.4),
    200: (4.1, 6.0, 8.7, 10.7, 12.4),
    300: (3.4, 5.0, 7.1, 8.8, 10.2),
    500: (2.7, 3.9, 5.6, 6.8, 7.9),
    1000: (2.0, 2.8, 3.9, 4.8, 5.6),
}


@pytest.mark.parametrize("rows", SCIENCE)
def test_detectable_gain_is_the_table_of_science(rows: int) -> None:
    for discordance, expected in zip((0.05, 0.1, 0.2, 0.3, 0.4), SCIENCE[rows], strict=True):
        gain = detectable_gain(rows, discordance)
        assert gain is not None
        if expected is None:
            assert gain > discordance
        else:
            assert round(100 * gain, 1) == pytest.approx(expected, abs=0.051)


@pytest.mark.parametrize("rows", [0, 1, 4])
def test_fewer_than_five_rows_can_show_no_gain_at_all(rows: int) -> None:
    assert detectable_gain(rows) is None


def test_five_rows_show_only_what_makes_all_five_differ() -> None:
    assert detectable_gain(5) == pytest.approx(0.8 ** (1 / 5), abs=1e-4)


def test_more_rows_show_smaller_gains() -> None:
    gains = [detectable_gain(rows) or 1.0 for rows in (6, 10, 30, 100, 1000, 100_000, 1_000_000)]
    assert gains == sorted(gains, reverse=True)
    assert gains[-1] == pytest.approx(2.802 * np.sqrt(0.3 / 1_000_000), rel=0.02)


@pytest.mark.parametrize("discordance", [0.0, -0.1, 1.5, float("nan")])
def test_a_discordance_that_is_no_share_is_refused(discordance: float) -> None:
    with pytest.raises(DataError):
        detectable_gain(100, discordance)


def test_rejection_limit_is_the_brute_force_one() -> None:
    for discordant in [*range(80), 150, 333, 1000]:
        fewer = np.arange(discordant + 1)
        mid_p = 2 * stats.binom.cdf(fewer, discordant, 0.5) - stats.binom.pmf(fewer, discordant, 0.5)
        losing = [k for k in fewer if mid_p[k] < 0.05]
        assert rejection_limit(np.array([float(discordant)]))[0] == (max(losing) if losing else -1)


def test_power_is_what_simulation_finds() -> None:
    random = np.random.default_rng(3)
    rows, gain, discordance = 120, 0.14, 0.3
    better, worse = (discordance + gain) / 2, (discordance - gain) / 2
    draws = random.multinomial(rows, [better, worse, 1 - discordance], 4000)
    shown = np.mean([mcnemar_p(int(c), int(b)) < 0.05 and b > c for b, c, _ in draws])
    assert mcnemar_power(rows, gain, discordance) == pytest.approx(shown, abs=0.025)


def test_more_rows_like_these_do_decide() -> None:
    random = np.random.default_rng(5)
    base = (random.random(60) < 0.5).astype(float)
    tuned = np.where(random.random(60) < 0.25, 1.0, base)
    tuned[:4] = 0
    needed = rows_needed(base, tuned)
    change = tuned - base
    seen = np.array([np.mean(change > 0), np.mean(change < 0)])
    decided = 0
    for _ in range(200):
        wins, losses, _ = random.multinomial(needed, [*seen, 1 - seen.sum()])
        more_base = np.r_[np.zeros(wins), np.ones(losses), np.zeros(needed - wins - losses)]
        more_tuned = np.r_[np.ones(wins), np.zeros(losses), np.zeros(needed - wins - losses)]
        decided += decide(paired_difference(more_base, more_tuned)).word != "undecided"
    assert decided / 200 > 0.75


@pytest.mark.parametrize(
    ("base", "tuned"),
    [
        ([1], [1]),
        ([0], [1]),
        ([0] * 5, [0] * 5),
        ([0] * 6, [1] * 6),
        ([0.2], [0.9]),
        ([0.5] * 30, [0.51] * 30),
        ([1, 0], [0, 1]),
    ],
)
def test_rows_needed_is_always_finite_and_more_than_there_are(base: list[float], tuned: list[float]) -> None:
    assert len(base) < rows_needed(base, tuned) < 1_000_000


def test_rows_needed_counts_two_imaginary_rows_that_disagree() -> None:
    needed = rows_needed([0], [1])  # one gain in one row becomes gain 1/3 and discordance 2/3
    assert mcnemar_power(needed, 1 / 3, 2 / 3) >= 0.8 > mcnemar_power(needed - 1, 1 / 3, 2 / 3)


def test_a_handful_of_ties_does_not_promise_a_quick_decision() -> None:
    assert rows_needed([1] * 3, [1] * 3) > 1000


def test_rows_needed_does_not_depend_on_the_scale_of_scores() -> None:
    random = np.random.default_rng(1)
    base, tuned = random.random(80), random.random(80) + 0.1
    assert rows_needed(base, tuned, equivalence=1e-9) == pytest.approx(
        rows_needed(10 * base, 10 * tuned, equivalence=1e-9), abs=1
    )


def test_clusters_need_more_rows() -> None:
    random = np.random.default_rng(2)
    clusters = np.repeat(np.arange(20), 5)
    change = np.repeat(random.normal(0.1, 0.3, 20), 5)
    base = np.full(100, 0.4)
    plain, clustered = rows_needed(base, base + change), rows_needed(base, base + change, clusters=list(clusters))
    assert clustered == pytest.approx(5 * plain, rel=0.3)


def test_the_exact_limit_is_scipys_sign_test() -> None:
    for rows in (*range(1, 60), 150):
        refused = [k for k in range(rows + 1) if stats.binomtest(k, rows).pvalue <= 0.05 and k <= rows / 2]
        assert exact_limit(np.array([float(rows)]))[0] == max(refused, default=-1)


def test_what_clusters_are_worth() -> None:
    assert effective_size([1] * 30) == effective_size([7] * 30) == 30
    assert effective_size([20, 1, 1]) == pytest.approx(22**2 / 402)
    random = np.random.default_rng(0)
    clusters = np.repeat(np.arange(40), 5)
    same, own = np.repeat(random.normal(0, 0.1, 40), 5), random.normal(0, 0.1, 200)
    base = np.full(200, 0.5)
    assert effective_rows(base, base + same, clusters.tolist()) == pytest.approx(40, rel=1e-9)
    assert effective_rows(base, base + own, clusters.tolist()) > 120
    assert effective_rows(base, base + own, None) == effective_rows(base, base + own, list(range(200))) == 200
    assert effective_rows(base, base, clusters.tolist()) == 40, "nothing is known of them: the rows count as copies"


def test_clusters_promise_less_than_as_many_rows_and_few_nothing() -> None:
    rows, same, own = promised_gain([1] * 200), promised_gain([5] * 40), promised_gain([5] * 40, 200)
    assert rows == detectable_gain(200) and rows and own and same
    assert rows < own < same and same > (detectable_gain(40) or 1)
    assert promised_gain([20] * 10) is None


def test_the_gain_that_few_clusters_promise_is_shown() -> None:
    """300 test sets of 16 clusters whose rows go the same way: 80% less three standard errors."""
    random, gain = np.random.default_rng(1), promised_gain([3] * 16)
    assert gain is not None
    shown = 0
    for _ in range(300):
        won = np.repeat((random.random(16) < gain).astype(float), 3)
        shown += decide(paired_difference(won * 0, won, clusters=np.repeat(np.arange(16), 3).tolist())).word == "better"
    assert shown / 300 > 0.73


def test_power_in_words() -> None:
    assert power_facts([1] * 100)["sentence"] == "100 test rows can show a gain of 15 points or more (80% power)"
    told = power_facts([5] * 40)
    assert told["clusters"] == 40 and told["effective_rows"] == 40 and told["test_rows"] == 200
    assert told["sentence"].startswith("200 test rows in 40 clusters can show a gain of 24 points or more if the rows")
    assert "of 11 if each goes its own (80% power)" in told["sentence"]
    assert "hardly decide anything" in power_facts([20] * 10)["sentence"]
