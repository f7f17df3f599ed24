"""A model with a head on the sealed rows, against what its base can do without one."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import torch

from whet.data.prepare import Prepared
from whet.errors import DataError
from whet.evaluation.methods.classify import measure_classes
from whet.evaluation.methods.reward import measure_rewards
from whet.evaluation.models import Side
from whet.model.architecture_proof import forest_refusal, fuse, install_forest
from whet.model.base import load_base
from whet.model.heads.sequence_classifier import open_scorer
from whet.model.open import refuse_other_weights
from whet.model.policy import Policy
from whet.model.precision import device
from whet.pulse import beat
from whet.recipe.schema import Recipe, Reward

Measured = tuple[dict[str, Any], list[dict[str, Any]]]


def measure_headed(folder: Path, facts: dict[str, Any], recipe: Recipe, prepared: Prepared, kernels: bool) -> Measured:
    """The part of evaluation.json that concerns the test rows, and the lines of answers.jsonl.

    Base and tuned model are in memory one after the other. Raises DataError without test rows, and as `open_scorer`.
    """
    if not prepared.test_rows:
        raise DataError("there are no test rows, so nothing can be said", fix="make split.test larger than 0")
    beat("opening the tuned model")
    scorer, _, _ = open_scorer(folder, kernels)
    if isinstance(recipe.method, Reward):
        finish = measure_rewards(scorer, prepared, recipe.seed)
    else:
        finish = measure_classes(scorer, facts["head"], prepared, recipe.seed)
    del scorer
    gc.collect()
    return finish(base_side(folder, facts, recipe.trust_remote_code, kernels))


def base_side(folder: Path, facts: dict[str, Any], trust_remote_code: bool, kernels: bool) -> Side:
    """The base that the model was trained on, as a language model. Raises ModelError where it is another one by now."""
    beat("opening the base")
    base = load_base(facts["base"], getattr(torch, facts["dtype"]), trust_remote_code, where=device())
    refuse_other_weights(base, facts, folder)
    model = base.model
    use_forest = forest_refusal(model) is None
    if use_forest:
        install_forest(model)
        if kernels:
            fuse(model)
    return Side("base", Policy(model, use_forest))
