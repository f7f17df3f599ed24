"""Files that `keep` and `forgetting` name beside a recipe, and keys of `keep` that a recipe cannot obey."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from whet.errors import RecipeError
from whet.recipe.methods.rollouts import Rollouts
from whet.recipe.schema import Auto, Dpo, Full, HeadMethod, Kto, Pretrain, Recipe, Sft
from whet.recipe.sections.adapters import no_part_of_the_way, refuse_no_part_of_the_way
from whet.recipe.sections.keep import BASE, NOTHING
from whet.recipe.strict import refuse_first

PLACES = (("keep", "replay"), ("keep", "prompts"), ("forgetting", "suites"), ("forgetting", "lm_eval"))


def kept_beside(values: dict[str, Any], folder: Path, confined: bool, where: str) -> dict[str, Any]:
    """The recipe's values with these files made to work from the current folder. With `confined` a path that leads
    out of `folder` is refused with RecipeError."""
    for group, key in PLACES:
        holder = values.get(group)
        found = holder.get(key) if isinstance(holder, dict) else None
        if isinstance(holder, dict) and isinstance(found, str | list):
            moved = [_moved(name, folder, confined, f"{where}, {group}.{key}") for name in _listed(found)]
            values = {**values, group: {**holder, key: moved if isinstance(found, list) else moved[0]}}
    return values


def _listed(found: str | list[Any]) -> list[Any]:
    return found if isinstance(found, list) else [found]


def _moved(name: object, folder: Path, confined: bool, where: str) -> object:
    if not isinstance(name, str) or not name or name in (BASE, NOTHING) or not (folder / name).exists():
        return name  # the schema refuses what is no name, the reader what is no file
    if confined and not (folder / name).resolve().is_relative_to(folder.resolve()):
        raise RecipeError("the file leads out of the recipe's folder", where=where, value=name, fix="put it beside")
    return str(folder / name)


def no_nearer(recipe: Recipe) -> str:
    """Why no point between the base and a model of this recipe can be taken; empty where one can."""
    if isinstance(recipe.method, HeadMethod):
        return "a head has no base that it could be brought nearer to"
    if isinstance(recipe.method, Pretrain) and recipe.method.from_scratch:
        return "from_scratch begins with random weights, and half the way from them is noise"
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
    keep, method = recipe.keep, recipe.method
    mixes = isinstance(method, Auto | Sft | Pretrain | Dpo | Kto)
    scaled, kl = keep.scale != 1.0, keep.kl or 0.0
    wrong: list[tuple[bool, str, object, str]] = [
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
        (
            keep.replays and not mixes,
            f"{method.kind} learns from no given words that replay could stand beside",
            f"keep.replay: {keep.replay}",
            "leave keep.replay out; keep.scale works with every method that writes words",
        ),
        (
            kl > 0 and not keep.replays and not isinstance(method, Auto | Sft | Pretrain),
            f"{method.kind} is held to its base in its own way",
            f"keep.kl: {keep.kl}",
            "set method.beta or method.kl instead; or add keep.replay, and the KL is measured there",
        ),
        (
            kl > 0 and isinstance(recipe.adapter, Full),
            "kl holds the model to its base, and adapter: full leaves no base to read",
            f"keep.kl: {keep.kl}",
            "use adapter: lora, or keep.replay: base without kl",
        ),
        (
            scaled and isinstance(method, HeadMethod),
            "a head has no base that it could be brought nearer to",
            f"keep.scale: {keep.scale}",
            "leave keep.scale out",
        ),
        (
            scaled and isinstance(method, Pretrain) and method.from_scratch,
            "from_scratch begins with random weights, and half the way from them is noise",
            f"keep.scale: {keep.scale}",
            "leave keep.scale out",
        ),
        (
            keep.scale == "auto" and isinstance(method, Pretrain | Dpo | Kto),
            f"{method.kind} writes no answers on validation rows that could choose a scale",
            "keep.scale: auto",
            "give a number, such as keep.scale: 0.7",
        ),
        (
            keep.scale == "auto" and isinstance(method, Rollouts) and recipe.evaluate.metric == "auto",
            f"the verdict on {method.kind} is by its reward, and a scale is chosen by a metric of answers, so that the "
            "two could disagree",
            "keep.scale: auto",
            "name evaluate.metric, which both then use; or give a number, such as keep.scale: 0.7",
        ),
    ]
    refuse_first(wrong, where)
