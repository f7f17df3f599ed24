"""Two streams put side by side: no false stop however often one looks, and a difference that is there is found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from whet.stats import two_streams
from whet.stats.two_streams import FRACTIONS_J, bets, block_sizes, compare, differences

Stream = list[tuple[bool, float]]


@pytest.fixture
def zero_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the confidence sequence, which takes most of the time."""
    monkeypatch.setattr(two_streams, "MEANS_M", np.array([0.0]))


def stream(random: np.random.Generator, length: int, share: float, live: float, new: float, more: object = 0) -> Stream:
    """`more` is added to the rates of both sides, moment by moment."""
    new_N = random.random(length) < share
    good_N = random.random(length) < np.where(new_N, new, live) + more
    return list(zip(new_N.tolist(), good_N.astype(float).tolist(), strict=True))


def decided(streams: Sequence[Stream], share: float, alpha: float = 0.05) -> float:
    """The share of streams that were stopped at any look."""
    return float(np.mean([compare(one, share, alpha).enough_at is not None for one in streams]))


def test_no_strategy_can_be_expected_to_gain_and_none_can_lose_all() -> None:
    for mean in (-0.6, 0.0, 0.35):
        up_DMJ, down_DMJ = bets(np.array([-1.0, 1.0]), np.array([mean]))
        for factor_DMJ in (np.exp(up_DMJ), np.exp(down_DMJ)):
            expected_MJ = factor_DMJ[0] * (1 - mean) / 2 + factor_DMJ[1] * (1 + mean) / 2
            assert expected_MJ == pytest.approx(np.ones((1, len(FRACTIONS_J))))
            assert factor_DMJ.min() >= 0.1 - 1e-9


def test_the_capital_is_the_mean_of_all_strategies() -> None:
    """Against the definition, strategy by strategy."""
    random = np.random.default_rng(0)
    values = stream(random, 400, 0.5, 0.6, 0.75)
    difference_D = np.array(differences(values, 0.5))
    capitals = [(1 + sign * share * difference_D).cumprod() for sign in (1, -1) for share in FRACTIONS_J]
    assert compare(values, 0.5).capital == pytest.approx(np.mean(capitals, axis=0).max())


def test_what_is_put_side_by_side_is_as_large_as_the_shares() -> None:
    assert [block_sizes(share) for share in (0.5, 0.2, 0.1, 0.8)] == [(1, 1), (4, 1), (9, 1), (1, 4)]
    assert differences([(False, 1.0), (True, 0.0), (True, 1.0), (False, 1.0)], 0.5) == [-1.0, 0.0]
    assert differences([(False, 1.0)] * 3 + [(True, 0.5), (False, 0.0)], 0.2) == [-0.25]


def test_those_that_wait_too_long_for_the_other_side_are_left_out() -> None:
    waiting: Stream = [(False, 1.0)] * 50 + [(False, 0.0)] * 10
    assert differences([*waiting, (True, 0.0)], 0.5) == [0.0]


@pytest.mark.usefixtures("zero_alone")
@pytest.mark.parametrize("share", [0.5, 0.2])
def test_streams_without_a_difference_are_seldom_stopped(share: float) -> None:
    """120 streams of 800 looks each, at 20%, so that a bound that is broken shows."""
    random = np.random.default_rng(1)
    stopped = decided([stream(random, 800, share, 0.7, 0.7) for _ in range(120)], share, alpha=0.2)
    assert 0.01 <= stopped <= 0.31  # three standard errors; a bound that nothing ever reaches would say nothing


@pytest.mark.usefixtures("zero_alone")
def test_a_rate_that_falls_for_both_sides_alike_is_no_difference() -> None:
    """If a value could wait without end for the other side, values of before and after the fall were compared."""
    random = np.random.default_rng(2)
    fall_N = np.where(np.arange(1200) < 600, 0.25, -0.5)
    streams = [stream(random, 1200, 0.5, 0.7, 0.7, fall_N) for _ in range(60)]
    assert decided(streams, 0.5) <= 0.1


@pytest.mark.parametrize(("new", "larger"), [(0.9, True), (0.5, False)])
def test_a_difference_is_found_in_either_direction(new: float, larger: bool) -> None:
    random = np.random.default_rng(3)
    for share in (0.5, 0.2):
        compared = compare(stream(random, 1000, share, 0.7, new), share)
        assert compared.larger is larger and compared.enough_at is not None
        assert compared.low is not None and compared.high is not None
        assert (compared.low >= 0) if larger else (compared.high <= 0)
        assert compared.low <= new - 0.7 <= compared.high and compared.capital >= 20


def test_the_confidence_sequence_holds_the_difference_at_all_looks() -> None:
    random = np.random.default_rng(4)
    held = 0
    for _ in range(20):
        compared = compare(stream(random, 200, 0.5, 0.8, 0.65), 0.5)
        assert compared.low is not None and compared.high is not None  # of all looks before, too
        held += compared.low <= -0.15 <= compared.high
    assert held >= 17


def test_who_looks_sooner_sees_the_begin_of_the_same() -> None:
    random = np.random.default_rng(5)
    values = stream(random, 700, 0.3, 0.9, 0.6)
    looks = [compare(values[:place], 0.3) for place in range(0, 701, 50)]
    stopped = [look.enough_at for look in looks if look.enough_at is not None]
    assert stopped and set(stopped) == {stopped[0]}, "a decision stays"
    assert [look.capital for look in looks] == sorted(look.capital for look in looks)
    assert (looks[0].estimate, looks[0].low, looks[0].high, looks[0].capital) == (None, -1.0, 1.0, 1.0)


def test_streams_that_contradict_themselves_leave_nothing() -> None:
    """First all of the new side are better, then all worse: no one difference explains both."""
    better: Stream = [(False, 0.0), (True, 1.0)] * 100
    worse: Stream = [(False, 1.0), (True, 0.0)] * 100
    compared = compare([*better, *worse], 0.5)
    assert compared.low is None and compared.high is None and compared.larger is True
