"""Evidence over a stream: it may not grow by chance, and must grow where something changed."""

from __future__ import annotations

from math import exp, log

import numpy as np
import pytest
from scipy.stats import binom

from whet.stats import watching
from whet.stats.watching import (
    CUT_J,
    GAIN_J,
    LOSS_J,
    SPENT,
    STRIDE,
    RankedScores,
    Wager,
    binomial_quantile,
    log_threshold,
)


def test_a_rank_is_the_share_of_scores_at_least_as_large() -> None:
    ranked = RankedScores([1.0, 2.0, 2.0, 3.0])
    assert ranked.rank(2.0, 0.5) == pytest.approx((1 + 0.5 * 3) / 5)
    assert ranked.scores == [1.0, 2.0, 2.0, 2.0, 3.0]
    assert ranked.rank(9.0, 0.5) == pytest.approx(0.5 / 6)


def test_ranks_of_exchangeable_scores_are_uniform_and_apart() -> None:
    """Ties, too: scores of 0 and 1 have few values."""
    random = np.random.default_rng(0)
    ranked = RankedScores((random.random(50) < 0.1).astype(float))
    ranks = [ranked.rank(float(random.random() < 0.1), random.random()) for _ in range(8000)]
    for cut in (0.02, 0.1, 0.3, 0.7):
        assert np.mean(np.array(ranks) <= cut) == pytest.approx(cut, abs=0.012)
    assert abs(np.corrcoef(ranks[:-1], ranks[1:])[0, 1]) < 0.03


def test_no_strategy_can_be_expected_to_gain() -> None:
    """A bet's mean factor under uniform ranks is 1 exactly."""
    means = CUT_J * np.exp(GAIN_J) + (1 - CUT_J) * np.exp(LOSS_J)
    assert means == pytest.approx(np.ones(len(means)), abs=1e-12)


def test_the_capital_is_the_mixture_over_starts_and_strategies() -> None:
    """Against the definition, start by start, which the wager never holds."""
    random = np.random.default_rng(1)
    p_N = random.random(4 * STRIDE) ** 2
    wager = Wager()
    for p in p_N:
        wager.bet(float(p))

    factors_NJ = np.exp(np.where(p_N[:, None] <= CUT_J, GAIN_J, LOSS_J))
    capital, starts = 0.0, 4
    for start in range(1, starts + 1):
        gained_J = factors_NJ[(start - 1) * STRIDE :].prod(axis=0)
        capital += gained_J.mean() / (start * (start + 1))
    assert exp(wager.log_capital) == pytest.approx(capital + 1 / (starts + 1), rel=1e-9)


def test_a_capital_of_one_before_the_first_bet() -> None:
    assert Wager().log_capital == 0.0
    shares = sum(1 / (start * (start + 1)) for start in range(1, 8))
    assert shares + 1 / 8 == pytest.approx(1.0)


def test_a_late_change_is_found_and_dated() -> None:
    random = np.random.default_rng(2)
    ranked, wager = RankedScores(random.random(200)), Wager()
    for place in range(1400):
        unlike = place >= 1000 and random.random() < 0.4
        wager.bet(ranked.rank(1.5 if unlike else random.random(), random.random()))
        if wager.log_capital >= log_threshold(0.05):
            break
    assert 1000 <= place < 1100
    assert wager.since == pytest.approx(1000, abs=25)


def test_false_alarms_of_whole_streams_are_rarer_than_promised() -> None:
    """200 streams of 1,000 looks each, at 20%, so that a bound that is broken shows."""
    random = np.random.default_rng(3)
    fooled = 0
    for _ in range(200):
        wager = Wager()
        for p in random.random(1000):
            wager.bet(float(p))
        fooled += wager.most >= log_threshold(0.2)
    assert fooled <= 54  # 40 expected at most, and three standard errors
    assert fooled >= 2  # the capital is used: a bound that nothing ever reaches would say nothing


def test_a_threshold_is_the_inverse_of_the_share() -> None:
    assert log_threshold(0.05) == pytest.approx(log(20))


def test_behind_the_first_scores_bars_are_seldom_too_low(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many come: the chance that a score is small in rank may be above the cut for a share `spend` of the
    references. Ties, too."""
    monkeypatch.setattr(watching, "MOST", 300)
    random = np.random.default_rng(5)
    for draw in (lambda n: random.random(n), lambda n: (random.random(n) < 0.05).astype(float)):
        broken, used = 0, 0.0
        for seed in range(150):
            ranked = RankedScores(draw(300), 0.1, seed)
            assert ranked.scores == []
            ranks = np.array(
                [ranked.rank(score, tie) for score, tie in zip(draw(1500), random.random(1500), strict=True)]
            )
            shares = np.array([(ranks <= cut).mean() for cut in watching.CUTS])
            noise = 2.6 * np.sqrt(np.array(watching.CUTS) / 1500)
            broken += bool((shares > np.array(watching.CUTS) + noise).any())
            used += shares[2] / 0.3
        assert broken <= 0.1 * 150
        assert used / 150 > 0.75, "bars that nothing is above would say nothing"


def test_long_streams_raise_no_more_false_alarms_for_their_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    """100 streams of 5,000 scores, of which ranks are exact among 400, at 20%."""
    monkeypatch.setattr(watching, "MOST", 400)
    random, fooled = np.random.default_rng(6), 0
    for seed in range(100):
        ranked, wager = RankedScores(random.random(50), 0.2 * SPENT, seed), Wager()
        for score, tie in random.random((5000, 2)).tolist():
            wager.bet(ranked.rank(score, tie))
        fooled += wager.most >= log_threshold(0.2 * (1 - SPENT))
    assert fooled <= 32  # 20 expected at most, and three standard errors


def test_a_change_behind_the_first_scores_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "MOST", 400)
    random = np.random.default_rng(7)
    ranked, wager = RankedScores(random.random(400), 0.001), Wager()
    for place in range(3000):
        unlike = place >= 2500 and random.random() < 0.4
        wager.bet(ranked.rank(1.5 if unlike else random.random(), random.random()))
        if wager.log_capital >= log_threshold(0.05):
            break
    assert 2500 <= place < 2600


def test_a_wager_goes_on_from_its_state() -> None:
    random = np.random.default_rng(8)
    whole, part = Wager(), Wager()
    for p in random.random(300).tolist():
        whole.bet(p)
        part.bet(p)
        part = Wager.restored(part.state())
    assert (whole.log_capital, whole.most, whole.since) == (part.log_capital, part.most, part.since)


def test_a_change_is_dated_where_it_began() -> None:
    """Of windows of 20 requests: half a window early in the mean, where the strategy with most capital was three."""
    random, errors = np.random.default_rng(0), []
    for _ in range(60):
        ranked, wager = RankedScores(random.normal(size=20)), Wager()
        for place in range(140):
            wager.bet(ranked.rank(random.normal() + 3.0 * (place >= 80), random.random()))
            if place >= 80 and wager.log_capital >= log_threshold(0.0125):
                errors.append(wager.since - 80)
                break
    assert len(errors) > 50 and np.mean(errors) > -1.2 and np.quantile(errors, 0.1) >= -3


def test_the_quantile_of_a_binomial_is_scipys() -> None:
    for q in (1e-4, 3e-4, 0.01, 0.5, 0.99):
        for n in (1, 50, 10_000):
            for p in (0.02, 0.1, 0.3):
                assert binomial_quantile(q, n, p) == int(binom.ppf(q, n, p)), (q, n, p)
