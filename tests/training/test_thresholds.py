"""Thresholds are the best on the rows they are chosen on, and stay at a half where these say too little."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whet.training.thresholds import best_cut, best_thresholds, f1


@given(st.lists(st.tuples(st.floats(0.01, 0.99), st.booleans()), min_size=12, max_size=40))
def test_no_cut_gives_a_better_f1(rows: list[tuple[float, bool]]) -> None:
    probability, there = np.array([p for p, _ in rows]), np.array([y for _, y in rows])
    [found] = best_thresholds(probability[:, None], there[:, None].astype(float))
    if min(there.sum(), (~there).sum()) < 5:
        assert found == 0.5
    else:
        best = max(f1(probability >= cut, there) for cut in [0.0, *probability, 0.5])
        everything = f1(probability >= 0.0, there)
        assert f1(probability >= found, there) >= max(f1(probability >= 0.5, there), best - (best == everything))


def test_a_rare_class_with_low_probabilities_gets_a_low_threshold() -> None:
    probability = np.array([0.01] * 30 + [0.2] * 6)
    there = np.array([0.0] * 30 + [1.0] * 6)
    [found] = best_thresholds(probability[:, None], there[:, None])
    assert found == pytest.approx(0.105)
    assert best_cut(probability, there) == pytest.approx(0.105)


def test_of_equal_cuts_the_nearest_to_a_half_is_taken() -> None:
    probability, there = np.array([0.1] * 6 + [0.9] * 6), np.array([0.0] * 6 + [1.0] * 6)
    assert best_thresholds(probability[:, None], there[:, None]).tolist() == [0.5]


def test_f1_is_its_definition() -> None:
    named, there = np.array([True, True, False, False]), np.array([True, False, True, False])
    assert f1(named, there) == 0.5
    assert f1(~np.ones(3, bool), ~np.ones(3, bool)) == 1.0
