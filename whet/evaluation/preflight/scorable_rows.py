"""Rows that the recipe's metric or rewards cannot score, found on an empty answer before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from whet.data.prepare import Prepared, read_rows
from whet.data.render.renderer import Renderer
from whet.errors import DataError, InputError, RunError
from whet.evaluation.measuring_method import Measures
from whet.evaluation.metrics import scoring as metric
from whet.evaluation.metrics.tool_calls import calls_of, compare_calls
from whet.evaluation.metrics.turns import asked_turns
from whet.recipe.external import is_function
from whet.recipe.schema import AnyReward, Exact, JsonObject, Recipe, UnitTests
from whet.rewards.combine import build_rewards
from whet.rewards.unit_tests import UnitTestReward
from whet.types import Row

TRIED = 20
"""Rows with calls that are written and read back."""


def refuse_unscorable(recipe: Recipe, method: Measures, prepared: Prepared) -> None:
    """Raises DataError or InputError, naming the row."""
    wanted = recipe.evaluate
    rows = asked_turns(prepared.test_rows, recipe.seed).rows

    if wanted.metric in metric.OF_WORDS:
        _refuse_calls("evaluate.metric", str(wanted.metric), rows)

    if method.scored_by_metric and not prepared.shape.paired:
        _refuse_by_metric(wanted.metric, rows)
        calls = rows and wanted.metric == "auto" and metric.choose(prepared.test_rows)[0] == "tool-call"
        if calls or wanted.metric == "tool-call":
            _refuse_unreadable_calls(wanted.metric, rows, prepared.renderer)

    if wanted.wins:
        _refuse_by_rewards(wanted.wins, prepared.test_rows)

    if method.rewards:
        _refuse_by_rewards(method.rewards, prepared.test_rows)
        _refuse_by_rewards(method.rewards, read_rows(recipe, prepared, ("trained", "validation")))


def _refuse_calls(where: str, name: str, rows: Sequence[Row]) -> None:
    """A call is written in another way by each base: compared as a text, a right one would score 0."""
    calling = next((row for row in rows if calls_of(row)), None)
    if calling is not None:
        what = f"{name} compares words, and a row calls tools ({calling.where})"
        if where == "evaluate.metric":
            fix = "use metric: tool-call, nll, or a function of yours (file.py:name)"
        else:
            fix = "reward it with a function of yours (file.py:name)"
        raise InputError(what, where=where, value=name, fix=fix)


def _refuse_by_metric(name: str, rows: Sequence[Row]) -> None:
    if is_function(name) and rows:
        _refuse_failing(name, rows[0])
    if name not in metric.SCORERS:  # chosen by the rows themselves, a likelihood, or the user's own function
        return

    for row in rows:
        try:
            metric.score(name, "", row)
        except InputError as error:
            fix = error.fix or "leave evaluate.metric out, or choose one that fits the answers"
            if isinstance(error, DataError):
                where = row.where
            else:
                where = "evaluate.metric"
            raise type(error)(error.what, where=where, value=error.value, fix=fix) from error


def _refuse_unreadable_calls(name: str, rows: Sequence[Row], renderer: Renderer) -> None:
    """Calls as this base writes them must be read back as what they were, or a right answer would be scored wrong."""
    calling = [row for row in rows if calls_of(row)]
    if name == "tool-call" and not calling:
        what, fix = "no test row calls a tool", "leave evaluate.metric out"
        raise InputError(what, where="evaluate.metric", value=name, fix=fix)

    for row in [row for row in calling if row.messages[-1].get("weight", 1) != 0][:TRIED]:
        rendered = renderer.render(row)
        start, end = rendered.spans[-1]

        score, _ = compare_calls(calls_of(row), renderer.words_of(rendered.text[start:end]))
        if score != 1:
            raise InputError(
                "this base's chat template writes tool calls in a form that the metric tool-call does not read",
                where=row.where,
                value=rendered.text[start:end],
                fix="set evaluate.metric: nll, or a function of yours, file.py:name",
            )


def _refuse_failing(name: str, row: Row) -> None:
    """A function of the user's must score at least a row's own reference, before a model is trained for it."""
    try:
        metric.score(name, row.reference, row)
    except RunError as error:
        raise InputError(error.what, where=error.where, value=error.value, fix="mend the function") from error


def _refuse_by_rewards(wanted: Sequence[AnyReward], rows: Iterable[Row]) -> None:
    """Only rewards that ask something of the row, and score without running code or asking anybody."""
    scorers = [build_rewards([one]).components[0].score for one in wanted if isinstance(one, Exact | JsonObject)]
    tests = [UnitTestReward(one) for one in wanted if isinstance(one, UnitTests)]
    if not scorers and not tests:
        return

    exact = any(isinstance(one, Exact) for one in wanted)
    for row in rows:
        if exact:
            _refuse_calls("rewards", "exact", [row])
        for scorer in scorers:
            scorer([row.prompt], [""], [row])
        for one in tests:
            one.tests_of(row)
