"""Whether the rows are what the recipe's method learns from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whet.errors import DataError
from whet.recipe.external import is_function
from whet.recipe.methods.rollouts import OwnAnswers
from whet.recipe.schema import Bake, Evaluate, Recipe

if TYPE_CHECKING:
    from whet.data.rows.row_format import Shape


def refuse_other_method(shape: Shape, recipe: Recipe) -> None:
    """Raises DataError for rows that the method cannot learn from, or would learn wrongly."""
    _refuse_preferences(shape, recipe)
    _refuse_prompts(shape, recipe)
    if recipe.retrieval and (shape.paired or shape.kind in ("unpaired", "text")):
        raise DataError(
            "retrieval puts passages before questions with answers, and these rows are none",
            value=shape.describe(),
            fix="bring questions with answers, or leave retrieval out",
        )
    _refuse_unanswered(shape, recipe.evaluate)
    if recipe.method.kind == "classify" and shape.kind != "label":
        raise DataError(
            "classify learns labels of texts, and these rows hold none",
            value=shape.describe(),
            fix="name the columns: columns: {text: ..., label: ...}",
        )


def _refuse_prompts(shape: Shape, recipe: Recipe) -> None:
    """Prompts alone are for methods that write the answers themselves."""
    method, writes = recipe.method.kind, isinstance(recipe.method, OwnAnswers)
    if isinstance(recipe.method, OwnAnswers | Bake) and shape.kind == "text":
        raise DataError(
            f"{method} needs prompts, and these rows are plain text",
            value=shape.describe(),
            fix="name the column of the prompts: columns: {prompt: ...}; or set method: sft",
        )
    if shape.kind == "prompt" and not writes:
        raise DataError(
            f"these rows hold prompts without answers, which {method} cannot learn from",
            value=shape.describe(),
            fix="add the answers, or let rewards score the model's own: method: grpo",
        )


def _refuse_unanswered(shape: Shape, wanted: Evaluate) -> None:
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


def _refuse_preferences(shape: Shape, recipe: Recipe) -> None:
    """Pairs and marked answers are for the methods that learn preferences, and these want nothing else."""
    method, paired, marked = recipe.method.kind, shape.paired, shape.kind == "unpaired"
    if paired and method not in ("auto", "dpo", "reward"):
        prompt, chosen = shape.columns.get("prompt"), shape.columns.get("chosen")
        columns = f"{{prompt: {prompt}, completion: {chosen}}}" if prompt else f"{{text: {chosen}}}"
        alone = f"; or, to learn the chosen answers alone, set columns: {columns}" if chosen else ""
        raise DataError(
            f"these are preference pairs (chosen, rejected), which {method} does not learn from",
            value=shape.describe(),
            fix=f"set method: dpo or reward{alone}",
        )
    if marked and method not in ("auto", "kto"):
        raise DataError(
            f"these are answers marked good or bad (true, false); {method} would learn the bad ones too",
            value=shape.describe(),
            fix="set method: kto; or keep the rows marked true and leave the marks out",
        )
    if method == "kto" and not marked:
        raise DataError(
            "kto learns from answers that are marked good or bad, and these rows hold no mark",
            value=shape.describe(),
            fix="name the column of marks: columns: {prompt: ..., completion: ..., label: ...}; or leave method out",
        )
    if method in ("dpo", "reward") and not paired:
        raise DataError(
            f"{method} learns from preference pairs, and these rows hold none",
            value=shape.describe(),
            fix="name the two answers: columns: {prompt: ..., chosen: ..., rejected: ...}; or set method: sft",
        )
