"""A split by the order of the rows: the last ones judge, and nothing of them is learned."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from whet.data.ledger import FATES
from whet.data.prepare import Prepared, prepare
from whet.errors import DataError, RecipeError
from whet.recipe.load import load_recipe
from whet.recipe.schema import Recipe
from whet.store.identity import identity

WORDS = [f"word{number}" for number in range(300)]
ORDERED = {"in_order": True, "validation": 10, "test": 20}


@pytest.fixture
def tokenizer(make_tokenizer):
    return make_tokenizer(None, [], eos="</s>")


def lines(count: int) -> list[dict[str, str]]:
    draw = random.Random(0)
    return [{"prompt": " ".join(draw.choices(WORDS, k=25)), "completion": draw.choice(WORDS)} for _ in range(count)]


def parts_of(tokenizer, path: Path, rows: list[dict[str, str]], **keys: object) -> dict[str, list[int]]:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    prepared: Prepared = prepare(Recipe.model_validate({"data": str(path), "split": ORDERED} | keys), tokenizer)
    fates = [FATES[fate] for fate in prepared.ledger.columns()["fate"].tolist()]
    return {part: [row for row, fate in enumerate(fates) if fate == part] for part in dict.fromkeys(fates)}


def test_the_last_rows_are_the_test_and_those_before_them_the_validation(tokenizer, tmp_path: Path) -> None:
    found = parts_of(tokenizer, tmp_path / "a.jsonl", lines(100))
    assert found == {"trained": [*range(70)], "validation": [*range(70, 80)], "test": [*range(80, 100)]}


def test_rows_like_later_ones_behind_a_cut_are_dropped(tokenizer, tmp_path: Path) -> None:
    rows = lines(100)
    rows[3] = rows[95] | {"completion": "another"}
    rows[4] = {"prompt": rows[75]["prompt"] + " and more", "completion": rows[75]["completion"]}
    rows[72] = dict(rows[85])
    rows[5] = dict(rows[6])
    found = parts_of(tokenizer, tmp_path / "a.jsonl", rows)
    assert found["dropped"] == [3, 4, 72] and found["test"] == [*range(80, 100)]
    assert set(range(70)) - set(found["trained"]) == {3, 4}, "what is twice on one side stays"


def test_with_a_test_file_the_last_rows_of_the_data_are_the_validation(tokenizer, tmp_path: Path) -> None:
    rows, test = lines(60), tmp_path / "test.jsonl"
    test.write_text("".join(json.dumps(row) + "\n" for row in rows[40:]), "utf-8")
    found = parts_of(tokenizer, tmp_path / "a.jsonl", rows[:40], test=str(test))
    assert found["trained"] == [*range(30)] and found["validation"] == [*range(30, 40)]
    assert found["test"] == [*range(40, 60)]


def test_a_share_takes_the_latest_and_a_smaller_one_lies_in_it(tokenizer, tmp_path: Path) -> None:
    half = parts_of(tokenizer, tmp_path / "a.jsonl", lines(100), split=ORDERED | {"train_share": 0.5})
    assert half["trained"] == [*range(35, 70)] and half["dropped"] == [*range(35)]


def test_what_is_too_little_or_would_not_be_read_is_refused(tokenizer, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="too few rows: 25"):
        parts_of(tokenizer, tmp_path / "a.jsonl", lines(25))
    with pytest.raises(RecipeError, match="documents are held out by their content"):
        load_recipe({"data": str(tmp_path / "a.jsonl"), "method": "pretrain", "split": {"in_order": True}})


def test_it_is_another_run(tmp_path: Path) -> None:
    """That runs without the key keep their names, tests/golden holds."""
    (tmp_path / "a.jsonl").write_text("{}\n")
    plain, ordered = (
        Recipe.model_validate({"data": str(tmp_path / "a.jsonl"), "split": split}) for split in ({}, {"in_order": True})
    )
    assert identity(plain)[0] != identity(ordered)[0]
