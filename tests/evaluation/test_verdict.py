"""Four words, by rules fixed before the run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whet.errors import DataError
from whet.evaluation.verdict import compare, decide
from whet.types import Difference


def difference(estimate: float, low: float, high: float, p: float, rows: int = 200, discordant: int = 40) -> Difference:
    return Difference(estimate, low, high, p, rows, discordant, "McNemar's mid-p")


def binary(losses: int, wins: int, rows: int) -> tuple[list[int], list[int]]:
    ties = rows - losses - wins
    return [1] * losses + [0] * wins + [0] * ties, [0] * losses + [1] * wins + [0] * ties


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (difference(0.12, 0.05, 0.19, 0.001), "better"),
        (difference(-0.12, -0.19, -0.05, 0.001), "worse"),
        (difference(0.12, -0.01, 0.25, 0.07), "undecided"),
        (difference(0.002, -0.015, 0.018, 0.8), "no-difference"),
        (difference(0.002, -0.015, 0.021, 0.8), "undecided"),
        (difference(0.0, -0.001, 0.001, 1.0, rows=10), "undecided"),
        (difference(0.01, 0.005, 0.015, 0.001), "better"),
        (difference(0.1, -0.001, 0.2, 0.04), "undecided"),
        (difference(0.1, 0.01, 0.2, 0.06), "undecided"),
        (difference(-0.1, -0.2, -0.01, 0.06), "undecided"),
        (difference(0.5, 0.1, 0.9, 0.01, rows=10, discordant=4), "undecided"),
    ],
)
def test_each_word_has_its_rule(found: Difference, word: str) -> None:
    assert decide(found).word == word


def test_a_gain_inside_the_margin_is_not_better() -> None:
    found = difference(0.05, 0.02, 0.08, 0.001)
    assert decide(found, margin=0.01).word == "better"
    verdict = decide(found, margin=0.03)
    assert verdict.word == "undecided" and "margin of 3 points" in verdict.sentence


@pytest.mark.parametrize("discordant", range(5))
def test_fewer_than_five_discordant_rows_never_decide_for_or_against(discordant: int) -> None:
    assert compare(*binary(0, discordant, 100))[1].word == "undecided"
    assert compare(*binary(discordant, 0, 100))[1].word == "undecided"


def test_five_rows_all_one_way_decide() -> None:
    assert compare(*binary(0, 5, 5))[1].word == "better"
    assert compare(*binary(5, 0, 100))[1].word == "worse"
    assert compare(*binary(1, 5, 100))[1].word == "undecided"


def test_ties_everywhere_need_enough_rows_to_mean_no_difference() -> None:
    assert compare([1] * 100, [1] * 100)[1].word == "undecided"
    assert compare([1] * 300, [1] * 300)[1].word == "no-difference"
    assert compare([0.4] * 100, [0.4] * 100)[1].word == "undecided"
    assert compare([0.4] * 300, [0.4] * 300)[1].word == "no-difference"


@pytest.mark.parametrize("scores", [([1], [1]), ([0], [1]), ([0.3], [0.3]), ([0.3], [0.9])])
def test_one_row_never_decides(scores: tuple[list[float], list[float]]) -> None:
    verdict = compare(*scores)[1]
    assert verdict.word == "undecided" and verdict.rows_needed and verdict.rows_needed > 1


def test_undecided_says_how_many_rows_would_decide_and_the_others_do_not() -> None:
    undecided = compare(*binary(3, 8, 60))[1]
    assert undecided.rows_needed and f"{undecided.rows_needed:,} rows" in undecided.sentence
    assert compare(*binary(1, 30, 60))[1].rows_needed is None


def test_the_sentence_holds_the_numbers() -> None:
    sentence = compare(*binary(4, 20, 100))[1].sentence
    for part in ("+16.0 points", "95% interval", "p = 0.00091", "McNemar's mid-p", "100 test rows"):
        assert part in sentence


def test_false_alarms_stay_below_one_in_twenty() -> None:
    random = np.random.default_rng(0)
    words = [compare(random.integers(0, 2, 60), random.integers(0, 2, 60))[1].word for _ in range(1000)]
    assert sum(word in ("better", "worse") for word in words) / 1000 < 0.05
    assert "no-difference" not in words


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=40))
def test_any_scores_get_a_verdict_that_agrees_with_their_interval(pairs: list[tuple[float, float]]) -> None:
    found, verdict = compare([a for a, _ in pairs], [b for _, b in pairs])
    assert found.low <= found.high
    assert verdict.word != "better" or found.low > 0
    assert verdict.word != "worse" or found.high < 0
    assert (verdict.rows_needed is not None) == (verdict.word == "undecided")


@pytest.mark.parametrize("wrong", [{"margin": -0.1}, {"equivalence": 0.0}])
def test_margins_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        decide(difference(0.1, 0.0, 0.2, 0.05), **wrong)
