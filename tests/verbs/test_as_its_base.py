"""A run whose best step is its start: for most methods that is the base, for a new head or random weights it is not."""

from __future__ import annotations

from typing import Any

import pytest

from whet.recipe.schema import Recipe
from whet.verbs.steps.stages import as_its_base


@pytest.mark.parametrize(
    ("method", "step", "is_base"),
    [
        ("sft", 0, True),
        ("dpo", 0, True),
        ("sft", 20, False),
        ("sft", None, False),
        ("classify", 0, False),
        ({"kind": "pretrain", "from_scratch": True}, 0, False),
        ("pretrain", 0, True),
    ],
)
def test_the_start_is_the_base_where_nothing_was_put_on_it(method: Any, step: int | None, is_base: bool) -> None:
    recipe = Recipe(data="rows.jsonl", method=method if isinstance(method, dict) else {"kind": method})
    assert ("is_base" in as_its_base(recipe, {"stopped": {"best_step": step}})) == is_base
