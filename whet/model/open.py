"""A trained model from its folder, over the base it was trained on: what evaluation, chat and serving open."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from whet.data.render.renderer import Renderer
from whet.errors import ModelError
from whet.model.adapter import load_adapter
from whet.model.architecture_proof import fuse, install_paths
from whet.model.base import Base, load_base, random_base
from whet.model.precision import device
from whet.model.saved_model import ModelFacts, prove_template, prove_weights, read_facts
from whet.store.run import Run


@dataclass(slots=True)
class OpenedModel:
    """`model` answers as the tuned one. `base_model` is None where the adapter can be switched off instead."""

    base: Base
    model: Any
    base_model: Any | None
    use_forest: bool
    facts: ModelFacts
    """whet.json of the model's folder."""


def prove_trained(run: Run, renderer: Renderer | None) -> ModelFacts:
    """The facts of a run's model, once its weights, and with a `renderer` its template, are proved to be those that the
    training left. Raises RunFolderError, ProofError."""
    facts = read_facts(run.model)
    prove_weights(facts, run.model)
    if renderer is not None:
        prove_template(facts, renderer)
    return facts


def checked_path(run: Run) -> str:
    """The fastest way through the model that the run's self-check proved right: fused, forest or plain."""
    return run.read_json("selfcheck.json", "path")["path"]


def open_trained(
    run: Run, *, renderer: Renderer | None, trust_remote_code: bool, path: str | None = None, kernels: bool = True
) -> OpenedModel:
    """The model of a run beside its base, once both are proved (prove_trained).

    `path` is how it is read at best; where it is left out, as the self-check of the run says. Without `kernels` nothing
    is fused, whatever the path. Raises ModelError, RunFolderError, ProofError.
    """
    facts = prove_trained(run, renderer)
    path = checked_path(run) if path is None else path
    opened = open_model(run.model, facts, trust_remote_code, kernels=kernels and path == "fused")
    opened.use_forest = opened.use_forest and path != "plain"

    return opened


def open_model(folder: Path, facts: ModelFacts, trust_remote_code: bool, kernels: bool = True) -> OpenedModel:
    """Load base and tuned model in the dtype of the training. `facts` is the folder's whet.json.

    With `kernels` the fused layers read both, where they are proved to.

    Raises ModelError when either cannot be loaded, or when the base is not the one that was trained on.
    """
    dtype = getattr(torch, facts["dtype"])
    if facts["from_scratch"]:
        base = random_base(facts["base"], dtype, facts["seed"], trust_remote_code)
        base.model.to(device())
    else:
        base = load_base(facts["base"], dtype, trust_remote_code, facts.get("quantise"), device())

    refuse_other_weights(base, facts, folder)
    if facts["adapter"] == "lora":
        use_forest = install_paths(base.model, kernels=False)
        model = load_adapter(base.model, folder)
        if use_forest and kernels:
            fuse(model)  # after the adapter, which the fused layers read as a part of them
        return OpenedModel(base, model, None, use_forest, facts)

    use_forest = install_paths(base.model, kernels)
    tuned = load_base(str(folder), dtype, trust_remote_code, where=device()).model
    if use_forest:
        install_paths(tuned, kernels)

    return OpenedModel(base, tuned, base.model, use_forest, facts)


def refuse_other_weights(base: Base, facts: ModelFacts, folder: Path) -> None:
    """Raises ModelError for a base that is not the one that the model in `folder` was trained on."""
    if base.fingerprint != facts.get("base_fingerprint"):
        what = f"the base {facts['base']!r} has other weights than when this model was trained on it"
        raise ModelError(what, where=str(folder), fix="restore the base of that time, or train again")
