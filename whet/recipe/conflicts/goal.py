"""A goal beside the other keys: the metric that it names, and what it cannot ask for."""

from __future__ import annotations

from typing import Any

from whet.recipe.external import is_function
from whet.recipe.schema import Recipe
from whet.recipe.strict import Conflict, refuse_first


def with_goal_metric(values: dict[str, Any]) -> dict[str, Any]:
    """A recipe's values in which the metric of its goal is the one that is measured, where none is asked for."""
    goal, wanted = values.get("goal"), values.get("evaluate") or {}
    if isinstance(goal, dict):
        metric = goal.get("metric")
    else:
        metric = None

    if metric is None or not isinstance(wanted, dict) or wanted.get("metric", "auto") != "auto":
        return values
    return {**values, "evaluate": {**wanted, "metric": metric}}


def refuse_goal_contradictions(recipe: Recipe, where: str) -> None:
    """Raises RecipeError."""
    goal, wanted = recipe.goal, recipe.evaluate
    if goal is None:
        return

    least = goal.at_least
    shares = not is_function(wanted.metric) and not hasattr(recipe.method, "rewards")
    wrong: list[Conflict] = [
        (goal.empty, "a goal asks for something", "goal", "add at_least: 0.9, or leave goal out"),
        *recipe.method.refuses(recipe, "goal", True, f"method: {recipe.method.kind}"),
        *recipe.method.refuses(
            recipe,
            "goal-of-answers",
            bool(goal.seconds_per_answer or goal.prompt_tokens),
            "goal.seconds_per_answer or goal.prompt_tokens",
        ),
        (
            goal.metric is not None and goal.metric != wanted.metric,
            f"a goal is measured by the metric of the run, which is {wanted.metric}",
            f"goal.metric: {goal.metric}",
            "leave goal.metric out, or set evaluate.metric to the same",
        ),
        (
            goal.metric is not None and least is None,
            "a metric is named, and nothing is asked of it",
            f"goal.metric: {goal.metric}",
            "add goal.at_least, or leave goal.metric out",
        ),
        (
            least is not None and shares and not 0 < least < 1,
            "scores are shares of the rows: no interval of a share reaches 0, 1 or beyond",
            f"goal.at_least: {least}",
            f"set goal.at_least: {least / 100:g}" if least and 1 < least < 100 else "set it between 0 and 1",
        ),
    ]
    refuse_first(wrong, where)
