"""A column that judges the answer is read as marks, asked about, or named; it is never left out without a word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.data.rows.test_preferences import ASKED, GOOD, recipe
from whet.data.prepare import prepare
from whet.data.read.source import RawRow
from whet.data.rows.convert import detect, to_row
from whet.data.rows.judgements import role_of
from whet.data.rows.row_format import RowFormat
from whet.errors import DataError
from whet.model.base import load_tokenizer


def rows_with(name: str, values: list[Any]) -> list[dict[str, Any]]:
    return [{"prompt": f"What of {n}?", "completion": f"It is {n}.", name: value} for n, value in enumerate(values)]


def shape_of(name: str, values: list[Any], **keys: Any) -> RowFormat:
    return detect(rows_with(name, values), recipe(**keys))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("thumbs_up", [1, 0]),
        ("desirable", ["1", "0"]),
        ("kto_tag", [1.0, 0.0]),
        ("Thumbs_Up", [None, 0, 1]),
        ("thumbs_up", [1, 1]),
        ("rating", [0, 1]),
        ("userRating", ["yes", "no"]),
        ("vote", [1, -1]),
        ("is_helpful", [True, False]),
        ("feedback", ["good", "bad"]),
    ],
)
def test_two_marks_beside_an_answer_are_learned_as_marks(name: str, values: list[Any]) -> None:
    shape = shape_of(name, values)
    assert shape.kind == "unpaired" and shape.columns["label"] == name and shape.notes == ()
    value = values[-1]
    row = to_row(RawRow(0, "made-up.jsonl:1", rows_with(name, [value])[0]), shape, recipe())
    assert row.desirable is (value in (1, True, "yes", "good")) and row.label in ("good", "bad")
    with pytest.raises(DataError, match="sft would learn the bad ones too"):
        shape_of(name, values, method="sft")


def test_marks_of_conversations_and_instructions_are_read_too() -> None:
    chats = [{"messages": [ASKED, GOOD], "thumbs_up": mark} for mark in (1, 0)]
    assert detect(chats, recipe()).kind == "unpaired"
    asked = [{"instruction": "Hi?", "input": "", "output": "Hello!", "kto_tag": mark} for mark in ("0", "1")]
    assert detect(asked, recipe()).columns["label"] == "kto_tag"
    late = [*rows_with("source", ["web", "web"]), *rows_with("liked", [1, 0])]
    assert detect(late, recipe()).columns["label"] == "liked", "a column that the first row has not"


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("label", [1, 0], "may be a class"),
        ("label", ["1", "0"], "may be a class"),
        ("label", [1, 1], "may be a class"),
        ("thumbs_down", [0, 1], "1 means bad"),
        ("is_toxic", [False, True], "1 means bad"),
        ("score", [0, 0], "marks every answer as bad"),
    ],
)
def test_marks_that_could_mean_two_things_are_asked_about(name: str, values: list[Any], words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        shape_of(name, values)
    assert "format: prompt-completion" in caught.value.fix
    alike = shape_of(name, values, format="prompt-completion")
    assert alike.kind == "prompt-completion" and name in alike.notes[0], "the answer settles it, and it is said"


def test_a_label_of_numbers_is_a_mark_where_kto_is_asked_for() -> None:
    assert shape_of("label", ["1", "0"], method="kto").columns["label"] == "label"
    assert shape_of("liked", [1, 0], columns={"label": "liked"}).kind == "unpaired"
    assert detect([{"text": "a", "label": 1}, {"text": "b", "label": 0}], recipe()).kind == "label", "classes of texts"


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("rating", [1, 5, 3]),
        ("user_rating", ["4.5", "0.2"]),
        ("quality", ["poor", "fine", "ok"]),
        ("vote", [-1, 0, 1]),
        ("is_correct", [True, True]),
        ("label", [1, 2, 3]),
    ],
)
def test_a_judgement_that_is_not_read_is_named(name: str, values: list[Any]) -> None:
    shape = shape_of(name, values)
    assert shape.kind == "prompt-completion"
    (note,) = shape.notes
    assert name in note and str(values[0]) in note and "is not read" in note


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("label", ["billing", "refund"]),
        ("source", [1, 0]),
        ("grade", [None, ""]),
        ("verdict", ["The answer is right in every way, I think.", "It says too little of the matter."]),
        ("rating_instructions", [{"a": 1}, {"a": 2}]),
    ],
)
def test_what_judges_nothing_is_not_named(name: str, values: list[Any]) -> None:
    assert shape_of(name, values).notes == ()


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ({"feedback": {"rating": "negative"}}, "feedback.rating"),
        ({"feedback": {"value": 0}}, "feedback.value"),
        ({"metadata": {"score": 0, "user": "u"}}, "metadata.score"),
        ({"status": "rejected"}, "status"),
        ({"messages": [ASKED, GOOD | {"score": 0}]}, "messages[].score"),
    ],
)
def test_a_judgement_within_an_object_or_a_turn_or_by_its_word_is_named(row: dict[str, Any], name: str) -> None:
    answer = {} if "messages" in row else {"prompt": "Hi?", "completion": "Hello!"}
    shape = detect([{**answer, **row}] * 2, recipe())
    assert shape.kind in ("prompt-completion", "chat")
    (note,) = shape.notes
    assert repr(name) in note and "is not read" in note


@pytest.mark.parametrize(
    "row", [{"status": "open"}, {"metadata": {"label": 1, "user": "u"}}, {"kind": {"good": "a" * 30}}]
)
def test_objects_that_judge_nothing_are_not_named(row: dict[str, Any]) -> None:
    assert detect([{"prompt": "Hi?", "completion": "Hello!", **row}], recipe()).notes == ()


def test_answers_that_are_not_learned_need_no_marks() -> None:
    asked = {"kind": "grpo", "rewards": {"kind": "exact"}}
    assert shape_of("label", [1, 0], method=asked).kind == "prompt-completion"


def test_a_mark_whose_name_says_bad_is_named_where_it_is_chosen() -> None:
    shape = shape_of("thumbs_down", [1, 0], columns={"label": "thumbs_down"})
    assert "A 1 in 'thumbs_down' is read as good" in shape.notes[0]
    assert role_of("shutdown") is None and role_of("thumbsUp") == "judging" and role_of("likelihood") is None


def test_what_was_named_is_named_from_the_cache_and_a_test_file_of_another_form_is_refused(tmp_path: Path) -> None:
    words = [{"prompt": f"What of {n} and {n * n}?", "completion": f"It is {n * 7}."} for n in range(30)]
    rated = tmp_path / "rated.jsonl"
    rated.write_text("".join(json.dumps(row | {"stars": n % 5}) + "\n" for n, row in enumerate(words)))
    tokenizer = load_tokenizer("nano")
    asked = recipe(data=str(rated), split={"near_duplicates": False})
    for _ in range(2):
        (note,) = prepare(asked, tokenizer, cache=tmp_path / "cache").notes
        assert "'stars' (0, 1, 2, 3, ...)" in note
    marked = tmp_path / "marked.jsonl"
    marked.write_text("".join(json.dumps(row | {"liked": n % 2}) + "\n" for n, row in enumerate(words)))
    with pytest.raises(DataError, match="the test file are prompt-completion, those to learn from unpaired"):
        prepare(recipe(data=str(marked), test=str(rated)), tokenizer, cache=tmp_path / "cache")
