"""What opponents may cost, and the rows they are asked where all would cost too much."""

from __future__ import annotations

import pytest

from whet.evaluation.opponents.budget import FEWEST, affordable, sample, writing_cost


def test_all_rows_where_they_fit_else_as_many_as_do_and_never_too_few() -> None:
    assert affordable(1000, 100, 9, 100) == 100
    assert affordable(1000, 100, 10, 100) == 90
    assert affordable(1000, 2000, 10, 100) == FEWEST == affordable(0, 0, 1, 400)
    assert affordable(0, 0, 1, 30) == 30


def test_a_sample_is_seeded_whole_clusters_in_the_order_of_the_rows() -> None:
    clusters = [f"user {number % 25}" for number in range(100)]
    found = sample(100, 50, clusters, 1)
    assert found == sorted(found) == sample(100, 50, clusters, 1) != sample(100, 50, clusters, 2)
    assert 50 <= len(found) < 54
    chosen = {clusters[place] for place in found}
    assert found == [place for place in range(100) if clusters[place] in chosen]
    assert sample(10, 10, None, 0) == list(range(10)) and len(set(sample(100, 7, None, 0))) == 7


def test_writing_costs_more_than_reading() -> None:
    assert writing_cost([[1, 2], [3]], 10) == pytest.approx(3 + 4.0 * 20)
