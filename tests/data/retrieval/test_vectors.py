"""Nearness is exact, so it is the same on every machine; a score that is a little off costs no hit."""

from __future__ import annotations

import numpy as np
import pytest

from tests.data.retrieval.test_retrievers import Letters
from whet.data.retrieval.documents import Passage
from whet.data.retrieval.retrievers import Hit, best_of
from whet.data.retrieval.vectors import SLACK, about_nearness, exact_nearness, unit_vectors


def test_nearness_is_what_whole_numbers_give() -> None:
    """Vectors are whole multiples of 2**-24: the sum of their products is reckoned here without any rounding."""
    random = np.random.default_rng(0)
    unit = unit_vectors(lambda texts: random.standard_normal((len(texts), 384)) * 7, [f"t{n}" for n in range(50)])
    whole = [[int(number) for number in row] for row in unit.astype(np.float64) * 2**24]
    assert np.array_equal(np.array(whole) / 2**24, unit)
    expected = [np.float32(sum(a * b for a, b in zip(row, whole[0], strict=True)) / 2**48) for row in whole]
    assert exact_nearness(unit, unit[0]).tolist() == [float(number) for number in expected]
    assert np.abs(about_nearness(unit, unit[0]) - expected).max() < SLACK / 10
    assert np.abs(np.linalg.norm(unit, axis=1) - 1).max() < 1e-3


def test_equal_texts_are_encoded_once_and_have_one_vector() -> None:
    seen: list[str] = []
    found = unit_vectors(lambda texts: (seen.extend(texts), Letters().encode_query(texts))[1], ["ab", "c", "ab"])
    assert seen == ["ab", "c"] and np.array_equal(found[0], found[2])


@pytest.mark.parametrize("count", [1, 2, 3])
def test_scores_that_are_a_little_off_cost_no_hit(count: int) -> None:
    true = np.array([0.5004, 0.5003, 0.5002, 0.5001, 0.5006, 0.3, 0.2, 0.1])
    about = np.array([0.5004, 0.5005, 0.5003, 0.5001, 0.5002, 0.3, 0.2, 0.1])

    def ranked(places: np.ndarray) -> list[Hit]:
        ordered = sorted(places.tolist(), key=lambda place: -true[place])
        return [Hit(Passage(str(place), "", ""), float(true[place])) for place in ordered[:count]]

    best = best_of(about, count, SLACK, ranked)
    assert [hit.passage.id for hit in best] == ["4", "0", "1"][:count]


def test_a_hit_at_the_edge_of_what_was_looked_at_is_not_taken_for_the_best() -> None:
    """Four equal texts take the first places, so the second hit lies where scores that are off may hide another."""
    true = {"a": 0.9, "b": 0.8987, "c": 0.8993, "d": 0.1}
    texts = ["a", "a", "a", "a", "b", "c", *"dddd"]
    about = np.array([0.9, 0.9, 0.9, 0.9, 0.8991, 0.8989, 0.1, 0.1, 0.1, 0.1])

    def ranked(places: np.ndarray) -> list[Hit]:
        found = sorted({texts[place] for place in places.tolist()}, key=lambda text: -true[text])
        return [Hit(Passage(text, text, ""), true[text]) for text in found[:2]]

    assert [hit.passage.text for hit in best_of(about, 2, SLACK, ranked)] == ["a", "c"]
