"""Answers marked good or bad, in every usual form, become a prompt with one answer that carries its mark."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.data.conftest import Maker
from tests.data.rows.test_preferences import ASKED, CHATML, GOOD, recipe, spoken, whole
from whet.data.batches.forest import select_trees
from whet.data.batches.segment_files import layout
from whet.data.read.source import RawRow, read_source
from whet.data.render.inspect import first_rows
from whet.data.rows.convert import RowRefused, detect, to_row
from whet.data.split.row_traits import content_hash
from whet.errors import DataError
from whet.recipe.load import load_recipe
from whet.types import Row, Segment


def row_of(value: dict[str, Any], first: dict[str, Any] | None = None, **keys: Any) -> Row:
    asked = recipe(**keys)
    shape = detect([first or value], asked)
    assert shape.kind == "unpaired"
    return to_row(RawRow(0, "made-up.jsonl:1", value), shape, asked)


FORMS: dict[str, dict[str, Any]] = {
    "trl texts": {"prompt": "Hi?", "completion": "Hello!", "label": True},
    "trl messages": {"prompt": [ASKED], "completion": [GOOD], "label": True},
    "one conversation": {"messages": [ASKED, GOOD], "label": True},
    "sharegpt": {
        "conversations": [{"from": "human", "value": "Hi?"}, {"from": "gpt", "value": "Hello!"}],
        "kto_tag": True,
    },
    "alpaca": {"instruction": "Hi?", "input": "", "output": "Hello!", "kto_tag": True},
    "a table's words": {"prompt": "Hi?", "response": "Hello!", "thumbs_up": "True"},
}


@pytest.mark.parametrize("value", FORMS.values(), ids=FORMS)
def test_every_usual_form_is_the_same_marked_answer(value: dict[str, Any]) -> None:
    row = row_of(value)
    assert spoken(row.messages) == [("user", "Hi?"), ("assistant", "Hello!")]
    assert row.desirable is True and row.label == "good" and row.rejected is None
    mark = next(name for name in value if name in ("label", "kto_tag", "thumbs_up"))
    assert row_of(value | {mark: "false" if mark == "thumbs_up" else False}).desirable is False


def test_only_the_last_answer_was_marked() -> None:
    before = [ASKED, {"role": "assistant", "content": "Yes?"}, {"role": "user", "content": "Well?"}]
    row = row_of({"messages": [*before, GOOD], "label": True})
    assert [message.get("weight") for message in row.messages] == [None, 0, None, None]


def test_marks_of_other_names_and_numbers_are_named() -> None:
    value = {"q": "Hi?", "a": "Hello!", "liked": 0}
    row = row_of(value, columns={"prompt": "q", "completion": "a", "label": "liked"})
    assert row.desirable is False


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("no-mark", {"label": None}),
        ("no-mark", {"label": "maybe"}),
        ("no-mark", {"label": 3}),
        ("empty-answer", {"completion": " "}),
        ("empty-text", {"prompt": ""}),
        ("no-answer", {"completion": [GOOD, ASKED]}),
    ],
)
def test_what_is_no_marked_answer_is_refused_with_a_reason(code: str, change: dict[str, Any]) -> None:
    value = FORMS["trl texts"]
    with pytest.raises(RowRefused) as caught:
        row_of(value | change, value)
    assert caught.value.code == code


def test_bad_answers_are_never_learned_as_examples() -> None:
    for value in FORMS.values():
        with pytest.raises(DataError, match="sft would learn the bad ones too"):
            detect([value], recipe(method="sft"))
    with pytest.raises(DataError, match="hold no mark"):
        detect([{"prompt": "a", "completion": "b"}], recipe(method="kto"))
    assert detect([{"text": "a", "label": True}], recipe()).kind == "label", "a class that happens to be a boolean"


def test_a_mark_that_only_a_later_row_has_is_not_left_out() -> None:
    rows = [{"messages": [ASKED, GOOD], "label": None}, {"messages": [ASKED, GOOD], "label": False}]
    with pytest.raises(DataError, match="row 2 has another form than the first row: unpaired instead of chat"):
        detect(rows, recipe())
    assert detect(rows, recipe(format="chat")).kind == "chat"


def test_the_same_answer_with_two_marks_is_two_rows() -> None:
    good, bad = (row_of(FORMS["trl texts"] | {"label": mark}) for mark in (True, False))
    assert content_hash(good) != content_hash(bad)


def test_an_answer_comes_out_of_the_cache_with_its_mark(make_tokenizer: Maker, tmp_path: Path) -> None:
    data = [
        {"prompt": f"What of {n} and {n * n}?", "completion": f"It is {n * 7}.", "label": n % 3 > 0} for n in range(30)
    ]
    for _ in range(2):
        prepared = whole(data, make_tokenizer(CHATML), tmp_path, split={"near_duplicates": False})
        assert layout(prepared.segments)[1].tolist() == [-1 if n % 2 == 0 else n - 1 for n in range(60)]
        assert [prepared.segments[2 * n + 1].mark for n in range(30)] == [1 if n % 3 > 0 else -1 for n in range(30)]
        assert all(prepared.segments[2 * n].supervised == 0 and prepared.segments[2 * n].mark == 0 for n in range(30))
    assert {row.desirable for row in prepared.test_rows} == {True, False}, "both marks are held out in proportion"
    assert [answer for answer, _ in first_rows(prepared.segments, 3)] == ["bad", "good", "good"]


def test_a_mark_stays_with_its_segment_when_trees_are_picked() -> None:
    bad = [Segment([1], [0.0], 0), Segment([2], [1.0], 0, 0, -1)]
    segments = [*bad, Segment([1], [0.0], 1), Segment([3], [1.0], 1, 2, 1)]
    assert [segment.mark for segment in select_trees(segments, [[2, 3], [0, 1]])] == [0, 1, 0, -1]


def test_real_marked_answers_are_read(data_dir: Path) -> None:
    """LLaMA-Factory's own example of KTO's form."""
    asked = load_recipe(data_dir / "formats/kto_en_demo.json")
    raws = list(read_source(asked.data))
    shape = detect([raw.value for raw in raws], asked)
    rows = [to_row(raw, shape, asked) for raw in raws]
    expected = [row["label"] for row in json.loads((data_dir / "formats/kto_en_demo.json").read_text("utf-8"))]
    assert [row.desirable for row in rows] == expected and set(expected) == {True, False}
