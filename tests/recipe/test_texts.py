"""What follows `--set` for a key that holds a text is that text, whatever YAML would make of it."""

from __future__ import annotations

import pytest

from whet.cli.recipe_flags import joined
from whet.errors import RecipeError
from whet.recipe.load import load_recipe

TEXTS = [
    "You are a desk: answer in one word",
    "Be brief # and kind",
    "- no lists",
    "{name} asks",
    "[INST] be kind [/INST]",
    "*bold* and &more",
    "!important",
    "yes: no: maybe",
    '"yes", he said, "no"',
    "42",
    "true",
    "line one\nline two",
    "it's 'so'",
    "@you %d `code`",
]


@pytest.mark.parametrize("key", ["system", "columns.prompt", "compare.system"])
@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_taken_as_it_is_written(key: str, text: str) -> None:
    *groups, last = key.split(".")
    recipe = load_recipe({"data": "d.jsonl"}, [f"{key}={text}"])
    assert getattr(getattr(recipe, groups[0]) if groups else recipe, last) == text


def test_quotes_from_end_to_end_lists_of_files_and_nothing_are_yaml() -> None:
    recipe = load_recipe({"data": "d.jsonl"}, ['system=" a: b # c"', "data=[a.jsonl, b.jsonl]", "test = c.jsonl"])
    assert (recipe.system, recipe.data, recipe.test) == (" a: b # c", ["a.jsonl", "b.jsonl"], "c.jsonl")
    assert load_recipe({"data": "d.jsonl", "system": "x"}, ["system=null"]).system is None
    assert load_recipe({"data": "d.jsonl"}, ["method={kind: dpo, beta: 0.2}"]).method.kind == "dpo"


def test_a_file_name_is_no_yaml_either() -> None:
    assert load_recipe({"data": "d.jsonl"}, ["test=held #2: out.jsonl"]).test == "held #2: out.jsonl"
    assert load_recipe({"data": "d.jsonl"}, joined([], {"base": "./\U0001f600: b"})).base == "./\U0001f600: b"


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(RecipeError, match="not UTF-8 text"):
        load_recipe({"data": "d.jsonl"}, ["system=caf\udce9"])
