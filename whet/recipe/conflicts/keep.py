"""Keys of `keep` that a recipe cannot obey."""

from __future__ import annotations

from whet.errors import RecipeError
from whet.recipe.schema import Full, Recipe
from whet.recipe.sections.adapters import no_part_of_the_way, refuse_no_part_of_the_way
from whet.recipe.sections.keep import BASE, NOTHING
from whet.recipe.strict import Conflict, refuse_first


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
            "keep.prompts is not used with these settings",
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
            "a KL to the base needs the base's weights, and adapter: full trains them away",
            f"keep.kl: {keep.kl}",
            "use adapter: lora, or keep.replay: base without kl",
        ),
        *recipe.method.refuses(recipe, "scale", keep.scale != 1.0, f"keep.scale: {keep.scale}"),
        *recipe.method.refuses(recipe, "scale-auto", keep.scale == "auto", "keep.scale: auto"),
    ]
    refuse_first(wrong, where)
