"""Which opponents are there at all: what cannot or should not be asked is said with its reason."""

from __future__ import annotations

from typing import Any

import pytest

from whet.evaluate.opponents.opponent import Opponent
from whet.evaluate.opponents.opposed import sampled, unaskable, wanted
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
    found = unaskable(Recipe.model_validate({"data": "x.jsonl", **keys}))
    assert set(found) == names and all(found.values())


def test_base_and_constant_are_always_there() -> None:
    assert wanted(Evaluate(against=["examples"])) == ["base", "constant", "examples"]
    assert wanted(Evaluate()) == ["base", "constant", "prompted", "examples"]


def test_a_sample_says_so() -> None:
    one = Opponent("examples", "x", [0, 1], [0.0, 1.0], detail="the nearest")
    assert sampled(one, 2, 2).detail == "the nearest"
    assert sampled(one, 2, 9).detail.startswith("asked 2 of 9 test rows, drawn by the seed")
