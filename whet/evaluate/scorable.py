"""Rows that the recipe's metric or rewards cannot score, found on an empty answer before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from whet.data.prepare import Prepared, read_rows
from whet.errors import DataError, InputError, RunError
from whet.evaluate import metric
from whet.evaluate.turns import turns_of
from whet.recipe.places import is_function
from whet.recipe.rollouts import Rollouts
from whet.recipe.schema import AnyReward, Exact, JsonObject, Recipe, Sft, UnitTests
from whet.reward.combine import build_rewards
from whet.reward.unit_tests import UnitTestReward
from whet.types import Row


def refuse_unscorable(recipe: Recipe, prepared: Prepared) -> None:
    """Raises DataError or InputError, naming the row."""
    method, wanted = recipe.method, recipe.evaluate
    if isinstance(method, Sft) and not prepared.shape.paired:
        _refuse_by_metric(wanted.metric, turns_of(prepared.test_rows, recipe.seed).rows)
    if wanted.wins:
        _refuse_by_rewards(wanted.wins, prepared.test_rows)
    if isinstance(method, Rollouts):
        _refuse_by_rewards(method.rewards, prepared.test_rows)
        _refuse_by_rewards(method.rewards, read_rows(recipe, prepared, ("trained", "validation")))


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
            where = row.where if isinstance(error, DataError) else "evaluate.metric"
            raise type(error)(error.what, where=where, value=error.value, fix=fix) from error


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
    for row in rows:
        for scorer in scorers:
            scorer([row.prompt], [""], [row])
        for one in tests:
            one.tests_of(row)
