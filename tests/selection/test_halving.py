"""Rungs of a halving: what a budget pays for, and who leaves."""

from __future__ import annotations

import math

import pytest

from whet.selection.halving import Estimate, halve, planned_seconds, rungs_within, shares


@pytest.mark.parametrize(
    ("candidates", "rows", "expected"),
    [
        (1, 1000, [1.0]),
        (2, 1000, [0.5, 1.0]),
        (4, 1000, [0.25, 0.5, 1.0]),
        (5, 1000, [0.125, 0.25, 0.5, 1.0]),
        (4, 100, [0.5, 1.0]),  # a quarter would be 25 rows
        (4, 20, [1.0]),
    ],
)
def test_each_rung_has_twice_the_rows_of_the_one_before(candidates: int, rows: int, expected: list[float]) -> None:
    assert shares(candidates, rows) == expected


def test_the_planned_seconds_are_those_of_the_halves_that_stay() -> None:
    estimates = [Estimate(100, 1), Estimate(10, 1), Estimate(40, 1)]
    assert planned_seconds(estimates, [0.5, 1.0]) == pytest.approx((50 + 5 + 20 + 3) + (100 + 40 + 2))


def test_a_small_budget_gives_smaller_rungs_and_then_fewer_candidates() -> None:
    estimates = {"quick": Estimate(10, 0), "slow": Estimate(1000, 0)}
    assert rungs_within(estimates, 1000, math.inf) == ([0.5, 1.0], estimates)
    rungs, entrants = rungs_within(estimates, 1000, 800)
    assert rungs == [0.25, 0.5] and entrants == estimates
    assert rungs_within(estimates, 1000, 60) == ([1.0], {"quick": estimates["quick"]})
    assert rungs_within(estimates, 1000, 1.0) == ([], {})


def test_the_worse_half_leaves_only_where_it_is_measured() -> None:
    right, wrong = [1.0] * 40, [0.0] * 40
    half = [1.0, 0.0] * 20
    halved = halve({"a": half, "b": right, "c": wrong, "d": [1.0] * 39 + [0.0]}, 0, None)
    assert halved.stay == ["b", "d"] and not halved.unsure and list(halved.leave) == ["a", "c"]
    assert "worse than b on the same 40 validation rows: 50.0% against 100.0%" in halved.leave["a"]
    near = halve({"a": right, "b": [1.0] * 38 + [0.0] * 2}, 0, None)
    assert near.stay == ["a"] and near.unsure == ["b"] and not near.leave, "two rows cannot tell"
    assert halve({"a": wrong, "b": wrong}, 0, None).unsure == ["b"]
