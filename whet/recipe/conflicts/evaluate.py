"""Keys of `evaluate` that are right alone and wrong together, or beside a method that has no use for them."""

from __future__ import annotations

from whet.recipe.external import is_function
from whet.recipe.files.teachers import NOT_OF_ANSWERS
from whet.recipe.methods.rollouts import OwnAnswers
from whet.recipe.schema import Auto, Classify, Pretrain, Recipe, Reward, Sft
from whet.recipe.strict import refuse_first


def refuse_evaluation_contradictions(recipe: Recipe, where: str) -> None:
    """Raises RecipeError."""
    wanted, method = recipe.evaluate, recipe.method
    drawn, own = wanted.temperature > 0, is_function(wanted.metric)
    answers = isinstance(method, Auto | Sft)
    wrong = [
        (
            wanted.samples > 1 and not drawn,
            "greedy answers are the same each time, so that more of them say nothing",
            f"evaluate.samples: {wanted.samples}",
            "set evaluate.temperature above 0, or leave evaluate.samples out",
        ),
        (
            drawn and not answers,
            f"the test rows of {method.kind} are not answered at a temperature",
            f"evaluate.temperature: {wanted.temperature:g}",
            "leave evaluate.temperature out",
        ),
        (
            drawn and wanted.metric in NOT_OF_ANSWERS,
            "this metric compares probabilities, and no answer is drawn for it",
            f"evaluate.temperature: {wanted.temperature:g}",
            "leave evaluate.temperature out, or choose another metric",
        ),
        (
            own and not (answers or isinstance(method, OwnAnswers) or method.kind == "bake"),
            f"a metric of your own scores answers, and {method.kind} has none on its test rows",
            f"evaluate.metric: {wanted.metric}",
            "leave evaluate.metric out",
        ),
        (
            wanted.judge is not None and isinstance(method, Pretrain | Reward | Classify),
            f"a judge compares answers, and {method.kind} writes none",
            "evaluate.judge",
            "leave evaluate.judge out",
        ),
    ]
    refuse_first(wrong, where)
