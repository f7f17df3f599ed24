"""auto: before the rows are read nobody knows the method. It reads them, and gives way to the one that they ask for."""

from __future__ import annotations

from whet.data.source import Source
from whet.methods.base import Method
from whet.recipe.methods import method_for
from whet.recipe.rules import Choice
from whet.recipe.schema import Auto, Recipe


class AutoMethod(Method[Auto]):
    # ---- how it trains

    def settle(self, recipe: Recipe, source: Source) -> tuple[Recipe, list[Choice]]:
        recipe, _ = super().settle(recipe, source)
        recipe = recipe.model_copy(deep=True)
        recipe.method, reason = method_for(source.kind)
        return recipe, [Choice("method", recipe.method.kind, reason)]


METHOD = AutoMethod
