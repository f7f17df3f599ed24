"""Validation rows are asked as the model is used, passages and all; a test row is known by its question."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.made_up_contest import made_up_contest
from whet.data.prepare import Prepared, prepare
from whet.errors import InputError
from whet.evaluation import contest as contests
from whet.evaluation.forgetting.suites import measured_prompts
from whet.evaluation.studies.frontier import task_rows
from whet.evaluation.studies.validation_answers import ask_validation, refuse_without_answers
from whet.model.base import NANO, load_tokenizer
from whet.recipe.load import load_recipe
from whet.recipe.schema import Recipe
from whet.types import Completion

TOWNS = [f"town{n}" for n in range(40)]


@pytest.fixture
def looked_up(tmp_path: Path) -> tuple[Recipe, Prepared]:
    documents, data = tmp_path / "towns.jsonl", tmp_path / "rows.jsonl"
    passages = [{"id": town, "text": f"The mayor of {town} is called M{n}."} for n, town in enumerate(TOWNS)]
    documents.write_text("".join(json.dumps(value) + "\n" for value in passages))
    rows = [{"prompt": f"Who is the mayor of {town}?", "completion": f"M{n}"} for n, town in enumerate(TOWNS)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    split = {"near_duplicates": False, "validation": 8, "test": 8}
    keys = {"data": str(data), "split": split, "retrieval": {"documents": str(documents), "passages": 2}}
    recipe = load_recipe({**keys, "method": "sft", "max_tokens": 512})
    return recipe, prepare(recipe, load_tokenizer("nano"))


def asked(monkeypatch: pytest.MonkeyPatch, recipe: Recipe, prepared: Prepared) -> list[str]:
    """The prompts that a model of constant words is given."""
    prompts: list[list[int]] = []

    def ask(side: Any, loaded: Any, given: list[list[int]], *_: Any) -> list[Completion]:
        prompts.extend(given)
        return [Completion("M1", True, [1]) for _ in given]

    monkeypatch.setattr(contests, "generate_answers", ask)
    monkeypatch.setattr(contests, "longest_answer", lambda *_: 8)
    ask_validation(replace(made_up_contest(recipe, [], None), source=prepared))
    return [prepared.renderer.tokenizer.decode(ids) for ids in prompts]


def test_a_model_that_learned_with_passages_is_asked_with_them(
    monkeypatch: pytest.MonkeyPatch, looked_up: tuple[Recipe, Prepared]
) -> None:
    prompts = asked(monkeypatch, *looked_up)
    assert len(prompts) == 8 and all(prompt.count("is called") == 2 for prompt in prompts)


def test_a_likelihood_names_no_failures(monkeypatch: pytest.MonkeyPatch, looked_up: tuple[Recipe, Prepared]) -> None:
    recipe, prepared = looked_up
    recipe.evaluate.metric = "nll"
    with pytest.raises(InputError, match="no answer that could fail"):
        asked(monkeypatch, recipe, prepared)
    with pytest.raises(InputError, match="no answer that could fail"):
        refuse_without_answers(recipe)


@pytest.mark.parametrize("kind", ["pretrain", "kto", "reward", "distil", "bake"])
def test_methods_without_failures_say_why(kind: str) -> None:
    method = {"kind": kind} | ({"teacher": "nano"} if kind == "distil" else {"prompt": "x"} if kind == "bake" else {})
    recipe = load_recipe({"data": "x.jsonl", "method": method})
    with pytest.raises(InputError, match=recipe.method.no_failures):
        refuse_without_answers(recipe)


def test_a_test_row_is_known_by_its_question_and_not_by_its_passages(looked_up: tuple[Recipe, Prepared]) -> None:
    recipe, prepared = looked_up
    words = list(measured_prompts(recipe, prepared, str(NANO)))
    assert len([one for one in words if one.startswith("Who is the mayor of town")]) == 8


def test_a_metric_on_another_scale_is_told_before_the_training(
    looked_up: tuple[Recipe, Prepared], tmp_path: Path
) -> None:
    recipe, prepared = looked_up
    (tmp_path / "own.py").write_text("def stars(answer, reference, row):\n    return 5.0 * (answer == reference)\n")
    recipe.evaluate.metric = f"{tmp_path}/own.py:stars"
    with pytest.raises(InputError, match="outside 0..1"):
        task_rows(recipe, prepared)
