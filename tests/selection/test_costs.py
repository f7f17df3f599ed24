"""What answers cost at a volume, and what is left of a budget."""

from __future__ import annotations

import math

import pytest

from whet.selection.budget import Purse, read_budget
from whet.selection.candidates import Candidate
from whet.selection.volume import machine_usd


def test_a_machine_is_paid_for_the_whole_month_and_another_where_one_is_too_slow() -> None:
    assert machine_usd(3.6, 2.0, None) == pytest.approx(2.0)
    assert machine_usd(1.0, 2.0, 1000) == pytest.approx(730 * 2.0)
    month = 730 * 3600
    assert machine_usd(1.0, 2.0, month) == pytest.approx(1000 * 730 * 2.0 / month)
    assert machine_usd(1.0, 2.0, month + 1) == pytest.approx(2 * 1000 * 730 * 2.0 / (month + 1))
    assert machine_usd(1.0, None, 5) is None and machine_usd(1.0, 0.0, 5) == 0.0


def test_dollars_bound_the_hours_of_a_machine_that_costs_some() -> None:
    purse = Purse(read_budget(2.0, None, 3.0, 2.0, local=True, remote=True))
    assert purse.seconds_left == pytest.approx(1.5 * 3600)
    purse.seconds, purse.server_usd = 1800.0, 1.0
    assert purse.usd == pytest.approx(2.0) and purse.usd_left == pytest.approx(1.0)
    assert purse.seconds_left == pytest.approx(1800.0)
    free = Purse(read_budget(None, None, 3.0, 0.0, local=True, remote=False))
    assert free.seconds_left == math.inf


def test_a_memory_budget_alone_leaves_time_and_money_open() -> None:
    purse = Purse(read_budget(None, "8GB", None, None, local=True, remote=False))
    assert purse.budget.memory == 8 * 10**9 and purse.usd_left == purse.seconds_left == math.inf


@pytest.mark.parametrize(
    ("name", "slug"),
    [("nano", "nano"), ("/a/b/My Base/", "my-base"), ("Org/Model-1.5B", "model-1.5b"), ("http://h/v1#a@1/2", "2")],
)
def test_a_candidate_has_a_name_that_a_folder_may_have(name: str, slug: str) -> None:
    assert Candidate(name).slug == slug
