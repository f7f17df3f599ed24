"""Whether the rows are what the recipe's method learns from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whet.errors import DataError
from whet.recipe.external import is_function
from whet.recipe.schema import Evaluate, Method, Recipe

if TYPE_CHECKING:
    from whet.data.rows.row_format import RowFormat


def refuse_rows_of_other_methods(shape: RowFormat, recipe: Recipe) -> None:
    """Raises DataError for rows that the method cannot learn from, or would learn wrongly."""
    if shape.kind not in recipe.method.rows.forms:
        what, fix = _other_form(shape, recipe.method)
        raise DataError(what, value=shape.describe(), fix=fix)
    if recipe.retrieval and (shape.paired or shape.kind in ("unpaired", "text")):
        raise DataError(
            "retrieval puts passages before questions with answers, and these rows are none",
            value=shape.describe(),
            fix="bring questions with answers, or leave retrieval out",
        )

    _refuse_unanswered(shape, recipe.evaluate)


def _refuse_unanswered(shape: RowFormat, wanted: Evaluate) -> None:
    """Pairs, marked answers and plain text are compared by their probabilities: nothing is written that could be drawn
    at a temperature or scored by a function."""
    unanswered = shape.paired or shape.kind in ("unpaired", "text")
    if wanted.judge is not None and shape.kind == "text":
        what = "a judge compares answers, and plain text asks for none"
        raise DataError(what, value=shape.describe(), fix="leave evaluate.judge out")

    for key, asked in (("temperature", wanted.temperature > 0), ("metric", is_function(wanted.metric))):
        if asked and unanswered:
            raise DataError(
                "the test rows are compared by their probabilities, and nothing is written for them",
                value=f"evaluate.{key} for {shape.describe()}",
                fix=f"leave evaluate.{key} out",
            )


def _other_form(shape: RowFormat, method: Method) -> tuple[str, str]:
    """(what, fix): pairs and marked answers are for the methods that learn preferences, and these want nothing else."""
    if shape.paired:
        prompt, chosen = shape.columns.get("prompt"), shape.columns.get("chosen")
        if prompt:
            columns = f"{{prompt: {prompt}, completion: {chosen}}}"
        else:
            columns = f"{{text: {chosen}}}"

        if chosen:
            alone = f"; or, to learn the chosen answers alone, set columns: {columns}"
        else:
            alone = ""

        what = f"these are preference pairs (chosen, rejected), which {method.kind} does not learn from"
        return what, f"set method: dpo or reward{alone}"
    if shape.kind == "unpaired":
        what = f"these are answers marked good or bad (true, false); {method.kind} would learn the bad ones too"
        return what, "set method: kto; or keep the rows marked true and leave the marks out"

    return method.other_rows(shape.kind)
