"""Metadata of a model card, as the Hub reads it (https://huggingface.co/docs/hub/model-cards).

The licence is left to who publishes: it depends on the base and on the data.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from whet.data.read.hub import is_name
from whet.evaluation.facts import Evaluation
from whet.model.base_identity import BaseIdentity
from whet.recipe.schema import Recipe
from whet.text.numbers import format_metric_name

LIBRARIES = {"adapter": "peft", "gguf": "gguf", "ollama": "gguf"}
"""What opens a form, where it is not transformers."""


def front(
    name: str,
    recipe: Recipe,
    base: BaseIdentity,
    place: str,
    form: str,
    is_adapter: bool,
    evaluation: Evaluation,
) -> str:
    """YAML. `form` is how the weights lie there; `place` the folder that the run was started in. `evaluation` is that
    of the run, empty where it was not measured or where others trained the model."""
    facts: dict[str, Any] = {}
    if base.hub_model:
        facts |= {"base_model": base.hub_model, "base_model_relation": "adapter" if is_adapter else "finetune"}

    sets = [one.partition(":")[0] for one in names_of(recipe.data) if is_set(one, place)]
    if sets:
        facts["datasets"] = sets

    task = "text-classification" if recipe.method.has_head else "text-generation"
    facts |= {"library_name": LIBRARIES.get(form, "transformers"), "pipeline_tag": task}
    facts["tags"] = ["whet", recipe.method.kind, recipe.adapter.kind]
    if measured := results(recipe, place, task, evaluation):
        facts["model-index"] = [{"name": name, "results": [measured]}]

    return yaml.safe_dump(facts, sort_keys=False, allow_unicode=True)


def results(recipe: Recipe, place: str, task: str, evaluation: Evaluation) -> dict[str, Any] | None:
    """The tuned model's score on the test rows, as the verdict has it; None for a run without one."""
    metric, tuned = evaluation.get("metric") or {}, evaluation.get("tuned") or {}
    if not evaluation.get("verdict") or not metric.get("name") or tuned.get("score") is None:
        return None

    data = names_of(recipe.data)[0]
    if is_set(data, place):
        source = {"type": data.partition(":")[0], "name": data}
    else:
        source = {"type": "held-out-rows", "name": "test rows that training never saw"}

    score = {"type": metric["name"], "name": format_metric_name(metric["name"]), "value": tuned["score"]}
    return {"task": {"type": task}, "dataset": source, "metrics": [score]}


def is_set(name: str, place: str) -> bool:
    """Whether data are a set on the Hub, for a run that was started in the folder `place`."""
    return is_name(name) and not Path(place, name).exists()


def names_of(data: str | list[str]) -> list[str]:
    return [data] if isinstance(data, str) else data
