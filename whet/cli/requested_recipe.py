"""The recipe that a command line asks for, refused before anything heavy is imported where its base or its data
cannot be there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from whet.data.read import hub
from whet.planning.public_models import find_public
from whet.recipe.bases import is_base, refuse_missing_base
from whet.recipe.load import Override, load_recipe
from whet.recipe.schema import Recipe
from whet.store.model_registry import find_run


def asked_recipe(
    data: str, overrides: Sequence[Override] | None, planned: bool = False, elsewhere: bool = False
) -> Recipe:
    """A recipe that is only `planned` may name a public base that is not here, and one that is trained `elsewhere` what
    a service calls its base. Raises RecipeError, ModelError, DataError."""
    recipe = load_recipe(data, overrides or [])
    if not elsewhere and (not planned or find_public(recipe.base) is None):
        refuse_missing_base(recipe.base)

    if isinstance(recipe.data, str):
        data_of = [recipe.data]
    else:
        data_of = recipe.data

    for name in [*data_of, recipe.test]:
        if name and hub.is_name(name):
            hub.refuse_unreached(name)

    return recipe


def refuse_missing_model(name: str, runs: Path | str) -> None:
    """Raises ModelError or RunFolderError where `name` is neither a base that can be had nor a run or a named model."""
    if is_base(name):
        refuse_missing_base(name)
    else:
        find_run(name, runs)
