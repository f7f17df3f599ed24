"""The recipe that a command line asks for, refused before anything heavy is imported where its base is not there."""

from __future__ import annotations

from collections.abc import Sequence

from whet.recipe.bases import refuse_missing_base
from whet.recipe.load import Override, load_recipe
from whet.recipe.schema import Recipe


def asked_recipe(data: str, overrides: Sequence[Override] | None) -> Recipe:
    """Raises RecipeError, ModelError."""
    recipe = load_recipe(data, overrides or [])
    refuse_missing_base(recipe.base)
    return recipe
