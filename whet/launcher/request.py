"""From a recipe to the body of a job: what the user set, in the API's words; all else is `auto`, the service's own."""

from __future__ import annotations

import re
from typing import Any

from whet.data.prepare import Prepared
from whet.errors import RecipeError
from whet.launcher.place import Place
from whet.launcher.record import JobRecord
from whet.launcher.row_reader import RowReader
from whet.launcher.untaken import KINDS
from whet.recipe.rules import Choice, learning_rate
from whet.recipe.schema import Recipe
from whet.store.names import stem_of
from whet.store.run import Run
from whet.training.data_facts import data_facts

LONGEST_SUFFIX = 40
AUTO = "auto"


def hyperparameters(recipe: Recipe, prepared: Prepared, reader: RowReader) -> tuple[dict[str, Any], list[Choice]]:
    """In the API's words, and how each came about. Raises RecipeError for a rate that cannot be said there."""
    rows = max(1, prepared.rows)
    numbers: dict[str, Any] = {"n_epochs": AUTO, "batch_size": AUTO, "learning_rate_multiplier": AUTO}
    chosen = [Choice("epochs", AUTO, "The service chooses: you set none.")] if recipe.epochs is None else []
    if recipe.epochs is not None:
        numbers["n_epochs"] = int(recipe.epochs)

    if recipe.batch_tokens is not None:
        mean = prepared.tokens / rows
        numbers["batch_size"] = max(1, round(recipe.batch_tokens / mean))
        why = f"batch_tokens: {recipe.batch_tokens:,} / {mean:.0f} tokens of a row: a service counts rows."
        chosen.append(Choice("batch_size", numbers["batch_size"], why))

    if recipe.learning_rate is not None:
        usual = _usual_rate(recipe, prepared, reader)
        numbers["learning_rate_multiplier"] = round(recipe.learning_rate / usual, 6)
        why = f"learning_rate: {recipe.learning_rate:g} / {usual:g}, which Whet would choose: a service takes a factor."
        chosen.append(Choice("learning_rate_multiplier", numbers["learning_rate_multiplier"], why))

    keys = recipe.method.model_dump()
    if "beta" in keys:
        numbers["beta"] = keys["beta"] or AUTO
    return numbers, chosen


def body_of(recipe: Recipe, run: Run, record: JobRecord, place: Place, numbers: dict[str, Any]) -> dict[str, Any]:
    """What the job is made by, once its files are there."""
    files, kind = record.get("files", {}), KINDS[recipe.method.kind]
    body: dict[str, Any] = {
        "model": place.model,
        "training_file": files["training"]["id"],
        "method": {"type": kind, kind: {"hyperparameters": numbers}},
        "suffix": suffix_of(run),
        "seed": recipe.seed,
        "metadata": {"whet_run": run.name, "whet_token": record.get("token", "")},
    }
    if "own_words" in record:
        body["whet"] = record["own_words"]
    if "validation" in files:
        body["validation_file"] = files["validation"]["id"]
    return body


def suffix_of(run: Run) -> str:
    """What the tuned model's name shall hold: the name of the data, or what a person called the run."""
    stem = stem_of(run) or re.sub(r"-[0-9a-f]{8}-at-.*", "", run.name)
    return re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:LONGEST_SUFFIX].rstrip("-") or "whet"


def _usual_rate(recipe: Recipe, prepared: Prepared, reader: RowReader) -> float:
    if reader.hidden_size is None:
        what = "a service takes a factor of its own rate, and what that is for this base nobody here knows"
        raise RecipeError(what, where="learning_rate", value=recipe.learning_rate, fix="leave learning_rate out")
    facts = data_facts(recipe, prepared, reader.hidden_size, 0, reader.context)  # parameters count from scratch alone
    return learning_rate(recipe, facts)[0]
