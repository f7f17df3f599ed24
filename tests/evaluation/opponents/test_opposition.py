"""Which opponents are there at all: what cannot or should not be asked is said with its reason."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from whet.evaluation.opponents.opponent import Opponent
from whet.evaluation.opponents.opposition import judge_opponents, note_sample, unaskable_in, wanted_names
from whet.methods import method_of
from whet.recipe.schema import Evaluate, Recipe


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        ({}, set()),
        ({"method": {"kind": "bake", "prompt": "Be kind."}}, {"prompted"}),
        ({"method": {"kind": "grpo", "rewards": [{"kind": "tests"}]}}, {"constant"}),
        ({"method": {"kind": "grpo", "rewards": [{"kind": "exact"}]}}, set()),
        ({"retrieval": {"documents": "handbook"}}, {"examples"}),
    ],
)
def test_what_is_not_asked_has_a_reason(keys: dict[str, Any], names: set[str]) -> None:
    recipe = Recipe.model_validate({"data": "x.jsonl", **keys})
    setting: Any = SimpleNamespace(recipe=recipe, unaskable=method_of(recipe).unaskable(recipe))
    found = unaskable_in(setting)
    assert set(found) == names and all(found.values())


def test_base_and_constant_are_always_there() -> None:
    assert wanted_names(Evaluate(against=["examples"])) == ["base", "constant", "examples"]
    assert wanted_names(Evaluate()) == ["base", "constant", "prompted", "examples"]


def test_a_sample_says_so() -> None:
    one = Opponent("examples", "x", [0, 1], [0.0, 1.0], detail="the nearest")
    assert note_sample(one, 2, 2).detail == "the nearest"
    assert note_sample(one, 2, 9).detail.startswith("asked 2 of 9 test rows, drawn by the seed")


@pytest.mark.parametrize(("prompted", "word", "kept"), [(0.0, "undecided", True), (1.0, "worse", False)])
def test_where_a_metric_cannot_tell_two_models_apart_that_is_still_said(prompted: float, word: str, kept: bool) -> None:
    scores, places = [0.0] * 40, list(range(40))
    said = "Undecided: the metric json cannot tell these models apart"
    measured = {"verdict": {"word": "undecided", "rows_needed": None, "sentence": said}}
    found = [
        Opponent("base", "the base as it is", places, scores),
        Opponent("constant", "always answering x", places, scores),
        Opponent("prompted", "the base with a prompt", places, [prompted] * 40),
    ]
    judge_opponents(measured, scores, None, found, 0)
    verdict = measured["verdict"]
    assert verdict["word"] == word and (verdict["sentence"] == said) == kept and said in verdict["sentence"]
    assert verdict["rows_needed"] is None
