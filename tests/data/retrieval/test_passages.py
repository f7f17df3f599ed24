"""Passages in a prompt stand where the template says, and nothing else of the conversation changes."""

from __future__ import annotations

import pytest

from whet.data.refused import RowRefused
from whet.data.retrieval.passages import with_passages

TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hi"},
    {"role": "user", "content": "Where is it?"},
]


def test_the_last_question_gets_the_passages() -> None:
    found = with_passages(TURNS, ["One.", "Two."], "{passages}\n--\n{question}")
    assert found == [*TURNS[:3], {"role": "user", "content": "One.\n\nTwo.\n--\nWhere is it?"}]
    assert TURNS[3]["content"] == "Where is it?", "the row itself stays"
    assert with_passages(TURNS, []) == TURNS


def test_words_that_look_like_places_are_left_alone() -> None:
    found = with_passages(
        [{"role": "user", "content": "What is {passages}?"}], ["{question} {x}"], "{question}|{passages}"
    )
    assert found[0]["content"] == "What is {passages}?|{question} {x}"


def test_a_row_without_a_question_in_words_is_refused() -> None:
    for turns in (
        [],
        [{"role": "system", "content": "x"}],
        [{"role": "user", "content": [{"type": "text", "text": "x"}]}],
    ):
        with pytest.raises(RowRefused, match="no question in words"):
            with_passages(turns, ["One."])
