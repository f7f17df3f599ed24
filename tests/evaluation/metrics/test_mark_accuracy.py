"""What the verdict says of marked answers: moved the right way or not, both marks weighing the same."""

from __future__ import annotations

import numpy as np
import pytest

from whet.errors import DataError
from whet.evaluation.metrics.mark_accuracy import moved_as_marked, separation
from whet.evaluation.verdict import compare
from whet.types import Row


def rows(marks: list[bool]) -> list[Row]:
    return [Row(number, f"x:{number}", desirable=mark) for number, mark in enumerate(marks)]


def values(gains: list[float], marks: list[bool]) -> tuple[list[float], list[float]]:
    found = moved_as_marked(gains, rows(marks))
    return [score.value for score in found["base"]], [score.value for score in found["tuned"]]


def test_a_row_that_moved_the_right_way_counts_one() -> None:
    base, tuned = values([1.0, -1.0, -0.5, 2.0, 0.0, 0.0], [True, True, False, False, True, False])
    assert base == [0.5] * 6 and tuned == [1, 0, 1, 0, 0.5, 0.5]


def test_making_everything_likelier_is_no_gain_however_many_good_rows_there_are() -> None:
    marks = [True] * 80 + [False] * 20
    base, tuned = values([1.0] * 100, marks)
    assert np.mean(tuned) == pytest.approx(0.5)
    assert compare(base, tuned)[1].word != "better"
    base, tuned = values([1.0] * 80 + [-1.0] * 20, marks)
    assert np.mean(tuned) == pytest.approx(1.0)
    assert compare(base, tuned)[1].word == "better"


def test_chance_is_called_better_no_more_often_than_it_should_be() -> None:
    random, marks = np.random.default_rng(0), [True] * 60 + [False] * 20
    words = [compare(*values(random.standard_normal(80).tolist(), marks))[1].word for _ in range(200)]
    assert words.count("better") <= 10, "2.5% of 200 are 5; ten would be very unlikely"


def test_what_is_told_beside_the_verdict() -> None:
    facts = separation([2.0, -1.0, -3.0, -0.5], rows([True, True, False, False]))
    assert facts == {"good_up": 0.5, "bad_down": 1.0, "good_gain": 0.5, "bad_gain": -1.75, "separation": 0.75}


def test_rows_of_one_mark_can_tell_nothing() -> None:
    with pytest.raises(DataError, match="no test row is marked bad"):
        values([1.0, 2.0], [True, True])
