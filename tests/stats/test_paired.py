"""Intervals and p-values against scipy, statsmodels, brute force and closed forms; and the edges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from whet.errors import DataError, NonFiniteError
from whet.stats import resample
from whet.stats.paired import mean_interval, paired_difference, tango, wilson


def binary(losses: int, wins: int, rows: int) -> tuple[list[int], list[int]]:
    ties = rows - losses - wins
    return [1] * losses + [0] * wins + [1] * ties, [0] * losses + [1] * wins + [1] * ties


def mid_p(losses: int, wins: int) -> float:
    """statsmodels' exact p, less the chance of the result itself, as Fagerland et al. (2013) define it."""
    result: Any = mcnemar([[50, losses], [wins, 9]], exact=True)
    return float(result.pvalue) - (stats.binom.pmf(losses, losses + wins, 0.5) if losses != wins else 0.0)


@pytest.mark.parametrize(("losses", "wins"), [(0, 0), (0, 5), (0, 6), (3, 12), (20, 9), (7, 7), (40, 80), (1, 0)])
def test_mcnemar_is_statsmodels_exact_one_less_half_of_each_end(losses: int, wins: int) -> None:
    expected = mid_p(losses, wins) if losses + wins else 1.0
    difference = paired_difference(*binary(losses, wins, 130))
    assert difference.p == pytest.approx(expected, abs=1e-12)
    assert difference.discordant == losses + wins
    assert difference.estimate == pytest.approx((wins - losses) / 130)
    assert "McNemar" in difference.test


def score_statistic(losses: int, wins: int, rows: int, gain: float) -> float:
    """Tango's statistic with the constrained likelihood maximised by a general optimiser."""

    def minus_log_likelihood(share: float) -> float:
        parts = [(losses, share), (wins, share + gain), (rows - wins - losses, 1 - 2 * share - gain)]
        return -sum(count * np.log(max(p, 1e-300)) for count, p in parts if count)

    low, high = max(0.0, -gain), (1 - gain) / 2
    share = optimize.minimize_scalar(
        minus_log_likelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-12}
    ).x
    return (wins - losses - rows * gain) / np.sqrt(rows * (2 * share + gain - gain**2))


@pytest.mark.parametrize(("losses", "wins", "rows"), [(3, 12, 100), (0, 8, 40), (1, 0, 44), (30, 31, 200), (5, 60, 90)])
def test_ends_of_tangos_interval_have_a_score_statistic_of_1_96(losses: int, wins: int, rows: int) -> None:
    low, high = tango(losses, wins, rows)
    assert score_statistic(losses, wins, rows, low) == pytest.approx(1.95996, abs=2e-3)
    assert score_statistic(losses, wins, rows, high) == pytest.approx(-1.95996, abs=2e-3)


def test_tangos_interval_covers_the_truth_at_least_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    for rows, better, worse in ((30, 0.2, 0.1), (60, 0.05, 0.02), (200, 0.3, 0.1)):
        draws = random.multinomial(rows, [better, worse, 1 - better - worse], 1500)
        inside = [(i := tango(int(c), int(b), rows))[0] <= better - worse <= i[1] for b, c, _ in draws]
        assert np.mean(inside) > 0.935


@pytest.mark.parametrize("rows", [1, 5, 50, 1000])
def test_no_discordant_row_is_not_certainty(rows: int) -> None:
    difference = paired_difference([1] * rows, [1] * rows)
    reach = 3.841459 / (rows + 3.841459)
    assert (difference.low, difference.high) == pytest.approx((-reach, reach), abs=1e-6)
    assert difference.p == 1 and difference.discordant == 0


@pytest.mark.parametrize("rows", [1, 2, 5, 6, 30])
def test_all_rows_gained(rows: int) -> None:
    difference = paired_difference([0] * rows, [1] * rows)
    assert difference.estimate == 1 and difference.high == 1 and difference.low < 0.93
    assert difference.p == pytest.approx(0.5**rows)
    assert (difference.low > 0) == (rows >= 5)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_interval_and_p_value_never_contradict_each_other(losses: int, wins: int, ties: int) -> None:
    if losses + wins + ties == 0:
        return
    difference = paired_difference(*binary(losses, wins, losses + wins + ties))
    assert -1 <= difference.low <= difference.estimate <= difference.high <= 1
    assert (difference.low > 0 or difference.high < 0) == (difference.p < 0.05)


def test_swapping_base_and_tuned_mirrors_everything() -> None:
    random = np.random.default_rng(4)
    for base, tuned in (binary(3, 20, 60), (random.random(14), random.random(14))):
        there, back = paired_difference(base, tuned), paired_difference(tuned, base)
        assert (there.estimate, there.low, there.high, there.p) == pytest.approx(
            (-back.estimate, -back.high, -back.low, back.p)
        )


def by_hand(sums: np.ndarray, sizes: np.ndarray, resamples: int) -> tuple[float, float]:
    """The symmetric bootstrap-t, one resample at a time, with the standard errors of statsmodels' weighted mean."""
    random = np.random.default_rng(99)

    def fit(picks: np.ndarray) -> tuple[float, float]:
        mean = sums[picks].sum() / sizes[picks].sum()
        left = sums[picks] - mean * sizes[picks]
        return mean, np.sqrt(left @ left * picks.size / (picks.size - 1)) / sizes[picks].sum()

    mean, error = fit(np.arange(sums.size))
    found = (fit(random.integers(0, sums.size, sums.size)) for _ in range(resamples))
    away = [abs(m - mean) / e if e > 1e-9 else np.inf for m, e in found]
    reach = np.quantile(away, 0.95, method="higher") * error
    return mean - reach, mean + reach


def test_the_bootstrap_t_is_the_one_by_hand() -> None:
    random = np.random.default_rng(0)
    change = random.exponential(0.08, 60) - 0.02
    groups = np.repeat(np.arange(12), random.integers(1, 9, 12))
    for sums, sizes in (
        (change, np.ones(60)),
        resample.cluster_sums(random.normal(0.2, 0.4, groups.size) + random.normal(0, 0.3, 12)[groups], groups),
    ):
        ours, theirs = resample.interval(sums, sizes, 1, (-9, 9)), by_hand(sums, sizes, 10_000)
        assert ours == pytest.approx(theirs, abs=0.04 * (theirs[1] - theirs[0]))


def test_many_units_are_drawn_in_chunks_and_come_out_as_student_says() -> None:
    random = np.random.default_rng(3)
    change = random.normal(0.1, 1, 3000)
    theirs = stats.ttest_1samp(change, 0).confidence_interval()
    assert resample.interval(change, np.ones(3000), 0, (-9, 9)) == pytest.approx(
        (theirs.low, theirs.high), abs=0.05 * (theirs.high - theirs.low)
    )
    drawn, flipped = resample.bootstrap_counts(3000, 0), resample.random_signs(3000, 0)
    assert sum(map(len, drawn)) == sum(map(len, flipped)) == resample.RESAMPLES
    assert all((counts.sum(1) == 3000).all() for counts in resample.bootstrap_counts(3000, 0))


def test_few_rows_get_students_interval_and_p() -> None:
    base, tuned = np.array([0.1, 0.4, 0.3, 0.8]), np.array([0.3, 0.5, 0.6, 0.7])
    theirs: Any = stats.ttest_rel(tuned, base)
    ours = resample.interval_with_p(tuned - base, np.ones(4), 0, (-1, 1))
    limits = theirs.confidence_interval()
    assert (ours.low, ours.high, ours.p) == pytest.approx((limits.low, limits.high, theirs.pvalue))


def test_exact_sign_flip_is_scipys_permutation_test() -> None:
    random = np.random.default_rng(6)
    change = random.random(12) + 0.2 - random.random(12)
    theirs = stats.permutation_test((change,), np.mean, permutation_type="samples", n_resamples=100_000)
    assert resample.sign_flip(change, 0) == (pytest.approx(theirs.pvalue), "exact sign-flip")


def test_the_p_is_the_larger_of_flips_and_bootstrap() -> None:
    lopsided = np.array([0.1] * 19 + [-0.3])  # the flips are sure; the bootstrap is not, for one resample in three
    flips, _ = resample.sign_flip(lopsided, 0)  # has no loss at all
    found = resample.interval_with_p(lopsided, np.ones(20), 0, (-1, 1))
    difference = paired_difference(np.full(20, 0.5), 0.5 + lopsided)
    assert flips < 0.01 < 0.05 < found.p == difference.p and difference.low < 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=30), st.integers(1, 4))
def test_other_scores_have_an_interval_and_a_p_that_agree(change: list[float], size: int) -> None:
    clusters = [row // size for row in range(len(change))]
    difference = paired_difference(np.zeros(len(change)), change, clusters=clusters)
    assert (difference.low > 0 or difference.high < 0) == (difference.p < 0.05)


def test_many_rows_get_random_patterns_close_to_the_exact_value() -> None:
    random = np.random.default_rng(7)
    change = random.normal(0.1, 0.4, 40)
    p, name = resample.sign_flip(change, seed=0)
    student: Any = stats.ttest_1samp(change, 0)
    assert p == pytest.approx(student.pvalue, abs=0.02) and "10,000" in name
    assert resample.sign_flip(np.ones(40), seed=0)[0] == pytest.approx(1 / 10_001)


def test_ties_do_not_change_a_sign_flip() -> None:
    change = np.array([0.3, -0.1, 0.2, 0.4])
    assert resample.sign_flip(change, 0) == resample.sign_flip(np.r_[change, np.zeros(50)], 0)


def test_the_sign_flip_of_binary_scores_is_the_exact_sign_test() -> None:
    assert resample.sign_flip(np.array([1.0] * 9 + [-1.0] * 2), 0)[0] == pytest.approx(stats.binomtest(2, 11).pvalue)


def test_clustered_standard_error_is_statsmodels_up_to_its_small_sample_factor() -> None:
    random = np.random.default_rng(8)
    groups = np.repeat(np.arange(15), random.integers(1, 9, 15))
    change = random.normal(0, 1, groups.size) + random.normal(0, 1, 15)[groups]
    fit = OLS(change, np.ones(groups.size)).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False}
    )
    ours = resample.standard_error(*resample.cluster_sums(change, groups))
    assert ours == pytest.approx(float(fit.bse[0]) * np.sqrt(15 / 14))


def test_rows_of_one_cluster_do_not_count_as_independent() -> None:
    base, tuned, clusters = [0] * 40, [1] * 40, [i // 10 for i in range(40)]
    alone, together = paired_difference(base, tuned), paired_difference(base, tuned, clusters=clusters)
    assert alone.p < 1e-9 and together.p == pytest.approx(2 / 2**4)
    assert together.low <= 0 < alone.low and together.clusters == 4 and alone.clusters is None


def test_clusters_of_one_row_change_nothing() -> None:
    base, tuned = binary(3, 15, 50)
    assert paired_difference(base, tuned, clusters=[f"doc {i}" for i in range(50)]) == paired_difference(base, tuned)


@pytest.mark.parametrize("value", [0.0, 0.25, -0.25])
def test_the_same_change_on_every_row_keeps_room_for_unseen_rows(value: float) -> None:
    base = np.full(30, 0.5)
    difference = paired_difference(base, base + value)
    unseen = 1 - 0.05 ** (1 / 30)
    low, high = (1 - unseen) * value - unseen, (1 - unseen) * value + unseen
    assert (difference.low, difference.high) == pytest.approx((low, high) if value else (-unseen, unseen))


def test_one_continuous_row_says_almost_nothing() -> None:
    difference = paired_difference([0.2], [0.9])
    assert difference.low < 0 and difference.high > 0.97 and difference.p == 1


def test_rounding_noise_is_a_tie() -> None:
    difference = paired_difference([0.3] * 40, [0.1 + 0.2] * 40)
    assert difference.discordant == 0 and difference.p == 1 and difference.estimate == 0


def test_scores_outside_0_to_1_keep_their_own_range() -> None:
    random = np.random.default_rng(9)
    base = random.normal(-3, 0.3, 60)
    difference = paired_difference(base, base + 2 + random.normal(0, 0.1, 60))
    assert 1.9 < difference.low < difference.high < 2.1 and difference.p < 0.001


def test_bootstrap_intervals_cover_the_truth() -> None:
    random = np.random.default_rng(10)
    for rows in (8, 40):
        inside = 0
        for seed in range(300):
            low, high = resample.interval(random.normal(0.3, 1, rows), np.ones(rows), seed, (-9, 9))
            inside += low <= 0.3 <= high
        assert inside / 300 > 0.91


def test_the_same_seed_gives_the_same_numbers() -> None:
    random = np.random.default_rng(11)
    base, tuned = random.random(90), random.random(90)
    assert paired_difference(base, tuned, seed=3) == paired_difference(base, tuned, seed=3)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (10, 10), (3, 17), (480, 500), (0, 1), (1, 1)])
def test_wilson_is_statsmodels(k: int, n: int) -> None:
    assert wilson(k, n) == pytest.approx(proportion_confint(k, n, method="wilson"), abs=1e-12)


def test_wilson_edges() -> None:
    assert wilson(0, 0) == (0, 1)
    for k, n in ((-1, 5), (6, 5)):
        with pytest.raises(DataError):
            wilson(k, n)


def test_a_perfect_continuous_score_is_not_certain() -> None:
    low, high = mean_interval([0.9] * 20)
    assert low == pytest.approx(0.9 * 0.05**0.05) and 0.9 < high < 1


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("side", [0, 1])
def test_a_score_that_is_not_a_number_is_refused_with_its_row(bad: float, side: int) -> None:
    pair = [[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]]
    pair[side][2] = bad
    with pytest.raises(NonFiniteError, match="score 3 of"):
        paired_difference(pair[0], pair[1])


def test_wrong_shapes_are_refused() -> None:
    for base, tuned in (([1, 0], [1]), ([], []), ([[1, 0]], [[1, 0]])):
        with pytest.raises(DataError):
            paired_difference(base, tuned)
    with pytest.raises(DataError, match="cluster"):
        paired_difference([1, 0], [1, 0], clusters=["a"])


@pytest.mark.parametrize("values", [[5.0] * 10, [5.0] * 9 + [7.0], [5.0], [-3.0, -3.0, -3.0, -3.0, 2.0]])
def test_scores_outside_0_to_1_that_hardly_differ_have_an_interval_that_can_be_told(values: list[float]) -> None:
    low, high = mean_interval(values)
    assert -max(map(abs, values)) <= low < high <= max(map(abs, values)) and low <= np.mean(values) <= high
