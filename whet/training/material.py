"""What the data says of a run: the facts that the rules look at, and the method that `auto` stands for."""

from __future__ import annotations

from whet.data.prepare import prepared_of
from whet.data.source import Source
from whet.errors import RecipeError
from whet.recipe.rules import Choice, Facts
from whet.recipe.schema import Auto, Classify, Dpo, Kto, Pretrain, Recipe, Sft
from whet.training.both_marks import refuse_one_mark_learned


def facts_of(
    recipe: Recipe, source: Source, hidden_size: int, parameters: int, context: int, micro: int | None = None
) -> Facts:
    """What the rules look at: these rows, and a base of this shape; `micro` is what the memory plan says."""
    return Facts(
        rows=source.rows,
        tokens=source.tokens,
        supervised_tokens=source.supervised_tokens,
        hidden_size=hidden_size,
        parameters=parameters,
        context=context,
        from_scratch=isinstance(recipe.method, Pretrain) and recipe.method.from_scratch,
        micro=micro,
        desirable=source.desirable,
    )


def settle_method(recipe: Recipe, source: Source) -> tuple[Recipe, list[Choice]]:
    """The recipe with `method: auto` replaced by what the rows ask for, and why. Raises RecipeError for a metric that
    the rows cannot be measured with, DataError for marks that are all the same."""
    kind = "preference" if source.kind == "ranking" else source.kind
    if isinstance(recipe.method, Classify):
        if recipe.evaluate.metric != "auto":
            what = "classify is measured by what it names, as its task asks"
            metric = recipe.evaluate.metric
            raise RecipeError(what, where="evaluate.metric", value=metric, fix="leave evaluate.metric out")
        return recipe, []
    _refuse_metric(recipe.evaluate.metric, kind)
    if kind == "unpaired":
        refuse_one_mark_learned(recipe, prepared_of(source))
    if not isinstance(recipe.method, Auto):
        return recipe, []
    recipe = recipe.model_copy(deep=True)
    recipe.method, reason = {
        "preference": (Dpo(), "The rows are pairs of a chosen and a rejected answer."),
        "unpaired": (Kto(), "The rows are single answers that are marked good or bad."),
    }.get(kind, (Sft(), "The rows are examples to learn from (not preferences)."))
    return recipe, [Choice("method", recipe.method.kind, reason)]


def _refuse_metric(metric: str, kind: str) -> None:
    own = {"preference": "preference-accuracy", "unpaired": "mark-accuracy"}
    if metric == "auto" or metric == own.get(kind) or (kind not in own and metric not in own.values()):
        return
    what = {
        "preference": "preference pairs are compared by the probability of their answers",
        "unpaired": "marked answers are compared by the probability of the answers",
    }.get(kind, f"this needs {'pairs' if metric == own['preference'] else 'answers marked good or bad'}")
    raise RecipeError(what, where="evaluate.metric", value=metric, fix="leave evaluate.metric out")
