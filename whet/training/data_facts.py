"""What the data says of a run: the facts that the rules look at, and what nothing can be learned or measured from."""

from __future__ import annotations

from whet.data.prepare import prepared_of
from whet.data.source import Source
from whet.errors import RecipeError
from whet.recipe.rules import DataFacts
from whet.recipe.schema import Recipe
from whet.training.missing_mark import refuse_one_mark_learned


def data_facts(
    recipe: Recipe, source: Source, hidden_size: int, parameters: int, context: int, micro: int | None = None
) -> DataFacts:
    """What the rules look at: these rows, and a base of this shape; `micro` is what the memory plan says."""
    return DataFacts(
        rows=source.rows,
        tokens=source.tokens,
        supervised_tokens=source.supervised_tokens,
        hidden_size=hidden_size,
        parameters=parameters,
        context=context,
        from_scratch=recipe.method.random_start,
        micro=micro,
        desirable=source.desirable,
    )


def refuse_unlearnable(recipe: Recipe, source: Source) -> None:
    """Raises RecipeError for a metric that the rows cannot be measured with, DataError for marks that are all the
    same."""
    if source.kind == "ranking":
        kind = "preference"
    else:
        kind = source.kind

    _refuse_metric(recipe.evaluate.metric, kind)
    if kind == "unpaired":
        refuse_one_mark_learned(recipe, prepared_of(source))


def _refuse_metric(metric: str, kind: str) -> None:
    own = {"preference": "preference-accuracy", "unpaired": "mark-accuracy"}
    if metric == "auto" or metric == own.get(kind) or (kind not in own and metric not in own.values()):
        return
    what = {
        "preference": "preference pairs are compared by the probability of their answers",
        "unpaired": "marked answers are compared by the probability of the answers",
    }.get(kind, f"this needs {'pairs' if metric == own['preference'] else 'answers marked good or bad'}")
    raise RecipeError(what, where="evaluate.metric", value=metric, fix="leave evaluate.metric out")
