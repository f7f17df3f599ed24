"""The recipe that a command line asks for, refused before anything heavy is imported where its base or its data
cannot be there."""

from __future__ import annotations

from collections.abc import Sequence

from whet.data import hub
from whet.recipe.bases import refuse_missing_base
from whet.recipe.load import Override, load_recipe
from whet.recipe.schema import Recipe


def asked_recipe(data: str, overrides: Sequence[Override] | None) -> Recipe:
    """Raises RecipeError, ModelError, DataError."""
    recipe = load_recipe(data, overrides or [])
    refuse_missing_base(recipe.base)
    for name in [recipe.data] if isinstance(recipe.data, str) else recipe.data:
        if hub.is_name(name):
            hub.refuse_unreached(name)
    return recipe
