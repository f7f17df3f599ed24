"""Files that `keep` and `forgetting` name beside a recipe, and keys of `keep` that a recipe cannot obey."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from whet.errors import RecipeError
from whet.recipe.schema import Full, Recipe
from whet.recipe.sections.adapters import no_part_of_the_way, refuse_no_part_of_the_way
from whet.recipe.sections.keep import BASE, NOTHING
from whet.recipe.strict import Conflict, refuse_first

PLACES = (("keep", "replay"), ("keep", "prompts"), ("forgetting", "suites"), ("forgetting", "lm_eval"))


def kept_beside(values: dict[str, Any], folder: Path, confined: bool, where: str) -> dict[str, Any]:
    """The recipe's values with these files made to work from the current folder. With `confined` a path that leads
    out of `folder` is refused with RecipeError."""
    for group, key in PLACES:
        holder = values.get(group)
        if isinstance(holder, dict):
            found = holder.get(key)
        else:
            found = None

        if isinstance(holder, dict) and isinstance(found, str | list):
            moved = [_moved(name, folder, confined, f"{where}, {group}.{key}") for name in _listed(found)]
            values = {**values, group: {**holder, key: moved if isinstance(found, list) else moved[0]}}

    return values


def _listed(found: str | list[Any]) -> list[Any]:
    if isinstance(found, list):
        return found
    return [found]


def _moved(name: object, folder: Path, confined: bool, where: str) -> object:
    if not isinstance(name, str) or not name or name in (BASE, NOTHING) or not (folder / name).exists():
        return name  # the schema refuses what is no name, the reader what is no file
    if confined and not (folder / name).resolve().is_relative_to(folder.resolve()):
        raise RecipeError("the file leads out of the recipe's folder", where=where, value=name, fix="put it beside")
    return str(folder / name)


def no_nearer(recipe: Recipe) -> str:
    """Why no point between the base and a model of this recipe can be taken; empty where one can."""
    if why := recipe.method.why_not("scale", recipe):
        return why.what
    return no_part_of_the_way(recipe.adapter)


def refuse_no_nearer(recipe: Recipe, asked: str) -> None:
    """Raises RecipeError where `asked` would bring a model of this recipe nearer to its base and nothing can, or where
    nothing is measured that could ask for it."""
    refuse_no_part_of_the_way(recipe, asked)
    why, key = no_nearer(recipe), "method"
    if not why and not recipe.evaluate.forgetting:
        why, key = "what was lost elsewhere is not measured, so that nothing could ask for a second try", "evaluate"

    if why:
        unmeasured = "forgetting: false"
        value, more = (recipe.method.kind, "") if key == "method" else (unmeasured, f", or {unmeasured}")
        raise RecipeError(why, where=key, value=value, fix=f"leave {asked} out{more}")


def refuse_keep_contradictions(recipe: Recipe, where: str) -> None:
    """Raises RecipeError for keys of `keep` that are right alone and wrong beside the others."""
    keep, kl = recipe.keep, recipe.keep.kl or 0.0
    wrong: list[Conflict] = [
        (
            keep.prompts is not None and keep.replay not in (BASE, None) and keep.scale != "auto",
            "nothing asks these general prompts",
            f"keep.prompts: {keep.prompts}",
            "set keep.replay: base or keep.scale: auto, or leave keep.prompts out",
        ),
        *(
            (
                value is not None and keep.replay == NOTHING,
                f"nothing is replayed that could have {said}",
                f"keep.{key}: {value}",
                f"set keep.replay: base or a file, or leave keep.{key} out",
            )
            for key, value, said in (("ratio", keep.ratio, "a ratio"), ("every", keep.every, "its steps"))
        ),
        *recipe.method.refuses(recipe, "replay", keep.replays, f"keep.replay: {keep.replay}"),
        *recipe.method.refuses(recipe, "kl", kl > 0 and not keep.replays, f"keep.kl: {keep.kl}"),
        (
            kl > 0 and isinstance(recipe.adapter, Full),
            "kl holds the model to its base, and adapter: full leaves no base to read",
            f"keep.kl: {keep.kl}",
            "use adapter: lora, or keep.replay: base without kl",
        ),
        *recipe.method.refuses(recipe, "scale", keep.scale != 1.0, f"keep.scale: {keep.scale}"),
        *recipe.method.refuses(recipe, "scale-auto", keep.scale == "auto", "keep.scale: auto"),
    ]
    refuse_first(wrong, where)
