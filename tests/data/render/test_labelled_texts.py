"""Rows for a head: what counts as a class, several classes or a number, and where a text ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from whet.data.prepare import prepare
from whet.data.read.source import RawRow
from whet.data.refused import RowRefused
from whet.data.render.labelled_texts import text_segment
from whet.data.render.renderer import Renderer
from whet.data.rows.convert import to_row
from whet.data.rows.row_format import RowFormat
from whet.errors import DataError
from whet.model.base import load_tokenizer
from whet.recipe.schema import Classify, Columns, Recipe, Reward

SHAPE = RowFormat("label", {"text": "text", "label": "label"})


def row_of(value: Any, task: str) -> Any:
    recipe = Recipe(data="a.jsonl", method=Classify(task=task))  # type: ignore[arg-type]
    return to_row(RawRow(0, "a.jsonl:1", {"text": "Hello there", "label": value}), SHAPE, recipe)


@pytest.mark.parametrize(
    ("task", "value", "target", "label"),
    [
        ("single", "spam", ["spam"], "spam"),
        ("single", 3, ["3"], "3"),
        ("single", True, ["True"], "True"),
        ("multi-label", ["b", "a", "a"], ["a", "b"], "a, b"),
        ("multi-label", [], [], "none"),
        ("multi-label", '["b"]', ["b"], "b"),
        ("regression", 2, 2.0, None),
        ("regression", "2.5", 2.5, None),
    ],
)
def test_a_label_becomes_the_target_of_the_task(task: str, value: Any, target: Any, label: str | None) -> None:
    row = row_of(value, task)
    assert row.target == target and row.label == label
    assert row.prompt[-1]["content"] == "Hello there" and row.reference


@pytest.mark.parametrize(
    ("task", "value", "words"),
    [
        ("single", ["a"], "multi-label"),
        ("single", " ", "missing"),
        ("single", None, "missing"),
        ("multi-label", "a", "must be a list"),
        ("multi-label", [["a"]], "this is a list"),
        ("regression", "many", "must be a number"),
        ("regression", float("nan"), "must be a number"),
        ("regression", True, "must be a number"),
    ],
)
def test_a_label_of_another_kind_is_refused(task: str, value: Any, words: str) -> None:
    with pytest.raises(RowRefused, match=words) as refusal:
        row_of(value, task)
    assert refusal.value.where == "a.jsonl:1"


def test_a_text_is_read_as_its_tokenizer_gives_it_and_marked_at_its_end() -> None:
    tokenizer = load_tokenizer("nano")
    row = row_of("spam", "single")
    segment = text_segment(row, Renderer(tokenizer), None, "drop", {})
    assert segment.ids == tokenizer("Hello there")["input_ids"]
    assert segment.weights == [0.0] * (len(segment.ids) - 1) + [1.0]
    cut: dict[int, int] = {}
    short = text_segment(row, Renderer(tokenizer), 1, "truncate", cut)
    assert cut == {row.index: len(segment.ids) - 1}
    assert short.ids == segment.ids[:1] and short.weights == [0.0]
    with pytest.raises(RowRefused, match="longest row"):
        text_segment(row, Renderer(tokenizer), 1, "drop", {})
    row.messages[0]["content"] = "Hello <|end|>"
    with pytest.raises(RowRefused, match="control token"):
        text_segment(row, Renderer(tokenizer), None, "drop", {})


PAIR = {"prompt": "Hi", "chosen": "Hello.", "rejected": "Go away."}
PAIRED = RowFormat("preference", {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"})


def margin(value: dict[str, Any], column: str | None = None) -> Any:
    recipe = Recipe(data="a.jsonl", method=Reward(), columns=Columns(margin=column))
    return to_row(RawRow(0, "a.jsonl:1", value), PAIRED, recipe).target


def test_a_margin_is_read_where_there_is_one() -> None:
    assert margin(PAIR) is None
    assert margin(PAIR | {"margin": 2}) == 2.0
    assert margin(PAIR | {"better_by": "0.5"}, "better_by") == 0.5
    with pytest.raises(RowRefused, match="must be a number"):
        margin(PAIR | {"margin": "much"})
    with pytest.raises(RowRefused, match="is missing"):
        margin(PAIR, "better_by")


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def test_targets_of_all_rows_are_found_again_in_the_cache(tmp_path: Path) -> None:
    lines = [f'{{"text": "Word {n * 7919 % 1000} and {n}", "label": {n / 4}}}' for n in range(40)]
    data = write(tmp_path / "numbers.jsonl", lines)
    recipe = Recipe(data=str(data), method=Classify(task="regression"), max_tokens=50)
    tokenizer = load_tokenizer("nano")
    first = prepare(recipe, tokenizer, cache=tmp_path / "cache")
    again = prepare(recipe, tokenizer, cache=tmp_path / "cache")
    assert first.targets == again.targets == {n: n / 4 for n in range(40)}
    assert [row.target for row in again.test_rows] == [again.targets[row.index] for row in again.test_rows]
    other = recipe.model_copy(update={"method": Classify(task="single")})
    assert prepare(other, tokenizer, cache=tmp_path / "cache").targets[4] == ["1.0"], "the cache knows the method"


def test_a_method_that_does_not_fit_the_rows_is_refused(tmp_path: Path) -> None:
    tokenizer = load_tokenizer("nano")
    text = write(tmp_path / "a.jsonl", ['{"prompt": "a", "completion": "b"}'] * 9)
    for method, words in ((Classify(), "labels of texts"), (Reward(), "preference pairs")):
        with pytest.raises(DataError, match=words):
            prepare(Recipe(data=str(text), method=method, max_tokens=50), tokenizer)
