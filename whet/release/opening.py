"""A run's model as what may leave the house: finished, whole, and over the base that it was trained on."""

from __future__ import annotations

import gc
import hashlib
from pathlib import Path

import torch

from whet.errors import ModelError, RunFolderError
from whet.model.base import load_base, locate
from whet.model.saved_model import prove_weights, read_facts
from whet.model.weights_identity import add_tensor
from whet.release.merging import base_shapes
from whet.release.tensor_files import read_tensor
from whet.release.tuned import Tuned
from whet.store.run import Run


def tuned_of(run: Run) -> Tuned:
    """Raises RunFolderError for a run that did not finish or whose model is damaged, ModelError for a base that is gone
    or is another one by now."""
    if not (run.model / "whet.json").is_file():
        run.refuse_elsewhere()
        fix = "run the command that made it again: it resumes"
        raise RunFolderError(f"run {run.name!r} has no model yet, it is {run.status}", where=str(run.folder), fix=fix)
    refuse_unfinished(run)

    facts = read_facts(run.model)
    prove_weights(facts, run.model)

    name = facts["base"]
    if Path(name).is_absolute() and not Path(name).exists():
        fix = "put it back there; the model is nothing without it"
        raise ModelError("the base that this model was trained on has moved", where=name, fix=fix)

    if (run.folder / "recipe.yaml").exists():
        trust = run.recipe.trust_remote_code
    else:
        trust = False

    model = Tuned(run.name, run.model, facts, locate(name), trust)
    if model.is_adapter:
        refuse_other_base(model)
    return model


def refuse_unfinished(run: Run) -> None:
    """Raises RunFolderError for a run whose model may still change: it is brought nearer to its base after it is saved.
    One that was measured once is finished, whatever became of a later measurement."""
    if run.status != "done" and not (run.folder / "evaluation.json").is_file():
        what = f"run {run.name!r} did not finish, it is {run.status}"
        fix = "let it end, or run the command that made it again: it resumes"
        raise RunFolderError(what, where=str(run.folder), fix=fix)


def refuse_other_base(model: Tuned) -> None:
    """Raises ModelError where the base's weights are not those that were trained on. The files are read tensor by
    tensor; only where they are named otherwise than the model names them it is loaded."""
    wanted = model.facts.get("base_fingerprint")
    if not wanted or wanted == files_fingerprint(model):
        return
    base = load_base(model.base, getattr(torch, model.dtype), model.trust_remote_code, model.facts.get("quantise"))
    found = base.fingerprint
    del base
    gc.collect()

    if found != wanted:
        what = f"the base {model.facts['base']!r} has other weights than when this model was trained on it"
        raise ModelError(what, where=str(model.folder), fix="restore the base of that time, or train again")


def files_fingerprint(model: Tuned) -> str:
    """As whet/model/weights_identity.py has it of the loaded model; of a 4-bit base, as its loader has it."""
    places = {name: file for file, shapes in base_shapes(model.base).items() for name in shapes}
    dtype = getattr(torch, model.dtype)

    digest = hashlib.sha256(b"nf4" if model.quantised else b"")
    for name in sorted(places):
        tensor = read_tensor(places[name], name)
        if model.quantised:
            one = hashlib.sha256()
            add_tensor(one, name, tensor)
            digest.update(one.digest())
        else:
            add_tensor(digest, name, tensor.to(dtype) if tensor.is_floating_point() else tensor)

    return digest.hexdigest()
