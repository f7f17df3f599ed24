"""Which runs have models between their base and their tuned model: what frontier, take and --until-kept begin with."""

from __future__ import annotations

from typing import Literal

from whet.errors import InputError
from whet.recipe.conflicts.keep import refuse_keep_contradictions
from whet.recipe.schema import Recipe
from whet.recipe.sections.adapters import no_part_of_the_way, refuse_adapter_contradictions
from whet.store.run import Run

IS_INTERPOLATED = "this run is already an interpolated model"


def refuse_no_way(recipe: Recipe, name: str) -> None:
    """Raises InputError for a run whose model is no base that moved a part of the way."""
    if refused := recipe.method.why_not("frontier", recipe):
        raise InputError(refused.what, where=f"run {name}", fix=refused.fix)
    if why := no_part_of_the_way(recipe.adapter):
        raise InputError(why, where=f"run {name}", fix="take a run without that option of the adapter")


def refuse_scale(run: Run, scale: float | Literal["auto"]) -> None:
    """Raises RecipeError for a run whose method has no such point on the way from base to tuned."""
    recipe = run.recipe
    keep = recipe.keep.model_copy(update={"scale": scale})
    at_scale = recipe.model_copy(update={"keep": keep})
    refuse_keep_contradictions(at_scale, f"run {run.name}")
    refuse_adapter_contradictions(at_scale, f"run {run.name}")
