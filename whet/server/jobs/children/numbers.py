"""Hyperparameters in OpenAI's words to numbers of a recipe, and the numbers that "auto" came to. Needs torch.

A step of OpenAI's counts rows, one of Whet's counts tokens: rows are taken at their mean length. A multiplier of the
learning rate is of the rate that Whet's own rules give for this base, method and adapter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whet.methods import method_of
from whet.model.base import context_of, load_config
from whet.observer import Silent
from whet.planning.model_shape import read_shape
from whet.recipe.load import load_recipe
from whet.recipe.methods.usual import DataFacts
from whet.recipe.rules import fill_defaults, learning_rate
from whet.recipe.schema import Recipe
from whet.server.jobs.recipe import SAMPLES
from whet.training.data_facts import data_facts
from whet.verbs.inputs import read_data


@dataclass(frozen=True, slots=True)
class Settled:
    """The recipe's keys with every number that the request decides, and what is told to the client."""

    recipe: dict[str, Any]
    hyperparameters: dict[str, Any]


def settle(values: dict[str, Any], given: Mapping[str, Any], run_root: Path) -> Settled:
    """Raises InputError as a tune would."""
    recipe = load_recipe(values)
    facts = _facts(recipe, run_root)
    settled = dict(values)
    if isinstance(given.get("batch_size"), int) and recipe.method.step_prompts is None:
        settled["batch_tokens"] = max(1, round(given["batch_size"] * facts.mean))

    usual = learning_rate(recipe, facts)[0]
    times = given.get("learning_rate_multiplier")
    if isinstance(times, int | float):
        settled["learning_rate"] = usual * times

    filled, _ = fill_defaults(load_recipe(settled), facts)
    return Settled(settled, told(filled, facts, given, usual))


def told(filled: Recipe, facts: DataFacts, given: Mapping[str, Any], usual: float) -> dict[str, Any]:
    """The numbers that are used, by OpenAI's names. `usual` is Whet's own rate."""
    method = filled.method
    assert filled.learning_rate is not None and filled.epochs is not None
    epochs = given.get("n_epochs")
    if not isinstance(epochs, int):
        epochs = max(1, round(method.epochs(facts)[0] if filled.steps is None else _passes(filled, facts)))

    numbers: dict[str, Any] = {
        "n_epochs": epochs,
        "batch_size": _batch(filled, facts),
        "learning_rate_multiplier": round(filled.learning_rate / usual, 6),
    }
    keys = method.model_dump()
    if "beta" in keys:
        numbers["beta"] = keys["beta"]
    if method.step_prompts is not None:
        numbers |= {"compute_multiplier": keys["samples"] / SAMPLES, "eval_interval": filled.evaluate.every}
        numbers |= {"eval_samples": 1, "reasoning_effort": "default"}
    return numbers


def passes_made(resolved: Recipe, trained_rows: int, tokens: int, steps: int) -> int:
    """Of a run that ended: whole passes over its rows, at least one."""
    facts = DataFacts(trained_rows, tokens, 0, 0, 0, 0)
    work = resolved.method.work(resolved, facts)
    return max(1, round(steps * work.step / max(1, work.whole)))


def _passes(filled: Recipe, facts: DataFacts) -> float:
    """A rate that may be held makes at least the shortest run."""
    work = filled.method.work(filled, facts)
    steps = filled.schedule.shortest or filled.steps or 1
    return steps * work.step / max(1, work.whole)


def _batch(filled: Recipe, facts: DataFacts) -> int:
    """Rows of a step."""
    if filled.method.step_prompts is not None:
        return filled.method.step_prompts
    assert filled.batch_tokens is not None
    return max(1, min(facts.rows, round(filled.batch_tokens / facts.mean)))


def _facts(recipe: Recipe, run_root: Path) -> DataFacts:
    config = load_config(recipe.base)
    source = read_data(recipe, run_root, Silent())
    shape = read_shape(config.to_dict(), recipe.base)
    settled, _ = method_of(recipe).settle(recipe, source)
    return data_facts(settled, source, int(config.hidden_size), shape.parameters, context_of(config))
