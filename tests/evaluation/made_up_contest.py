"""A contest of two models that are only names, on rows that are made up."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

from whet.data.prepare import Prepared
from whet.evaluation.contest import Contest
from whet.observer import Silent
from whet.recipe.schema import Recipe
from whet.types import Row


class MadeUp(Prepared):
    """Rows without anything that they were prepared from."""

    def __init__(self, rows: Sequence[Row], renderer: Any) -> None:
        self.test_rows, self.renderer = list(rows), renderer


def made_up_contest(recipe: Recipe, rows: Sequence[Row], renderer: Any) -> Contest:
    opened: Any = SimpleNamespace(base=None, model=None, base_model=None, facts={})
    base, tuned = (cast(Any, SimpleNamespace(name=name)) for name in ("base", "tuned"))
    return Contest(recipe, cast(Any, None), MadeUp(rows, renderer), Silent(), opened, base, tuned)
