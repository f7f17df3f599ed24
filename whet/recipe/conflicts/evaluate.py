"""Keys of `evaluate` that are right alone and wrong together, or beside a method that has no use for them."""

from __future__ import annotations

from whet.recipe.external import is_function
from whet.recipe.methods.own_answers import NOT_OF_ANSWERS
from whet.recipe.schema import Recipe
from whet.recipe.strict import Conflict, refuse_first


def refuse_evaluation_contradictions(recipe: Recipe, where: str) -> None:
    """Raises RecipeError."""
    wanted = recipe.evaluate
    drawn, own = wanted.temperature > 0, is_function(wanted.metric)
    wrong: list[Conflict] = [
        (
            wanted.samples > 1 and not drawn,
            "greedy answers are the same each time, so that more of them say nothing",
            f"evaluate.samples: {wanted.samples}",
            "set evaluate.temperature above 0, or leave evaluate.samples out",
        ),
        *recipe.method.refuses(recipe, "drawn-answers", drawn, f"evaluate.temperature: {wanted.temperature:g}"),
        (
            drawn and wanted.metric in NOT_OF_ANSWERS,
            "this metric compares probabilities, and no answer is drawn for it",
            f"evaluate.temperature: {wanted.temperature:g}",
            "leave evaluate.temperature out, or choose another metric",
        ),
        *recipe.method.refuses(recipe, "own-metric", own, f"evaluate.metric: {wanted.metric}"),
        *recipe.method.refuses(recipe, "judge", wanted.judge is not None, "evaluate.judge"),
    ]
    refuse_first(wrong, where)
