"""Checkpoints: `last` resumes exactly, `best` is protected. Both appear whole or not at all; no pickles."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from whet.errors import NonFiniteError, RunFolderError
from whet.store.atomic import new_folder, recover_folder, write_text
from whet.train.optim import MasterOptimizer


@dataclass(slots=True)
class Progress:
    """Where a run stands; all of it goes into the checkpoint."""

    step: int = 0
    best_step: int = -1
    best_loss: float | None = None
    best_accuracy: float | None = None
    """Share of the validation rows that the best step answers right, where the method says."""
    validations: list[tuple[int, float, float]] = field(default_factory=list)
    """(step, validation loss, training loss since the last validation)"""
    losses: list[float] = field(default_factory=list)
    """Training losses since the last validation."""
    accuracies: list[float] = field(default_factory=list)
    """Of each validation, where the method says which rows are right."""
    turned: int | None = None
    """The step from which a rate that was held goes down."""
    stopped: str | None = None
    state: dict[str, float] = field(default_factory=dict)
    """What a method must remember beside the weights."""


def save_last(folder: Path, progress: Progress, optimizer: MasterOptimizer) -> None:
    """Weights, optimiser state, random state and progress, in one atomic folder."""
    tensors = {name: tensor.contiguous() for name, tensor in optimizer.state().items()}
    tensors["random/cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random/cuda"] = torch.cuda.get_rng_state()
    with new_folder(folder) as temporary:
        save_file(tensors, str(temporary / "state.safetensors"))
        write_text(temporary / "progress.json", json.dumps(asdict(progress)))


def load_last(folder: Path, optimizer: MasterOptimizer) -> Progress | None:
    """Restore in place; None when there is no checkpoint. Raises RunFolderError for a damaged one."""
    recover_folder(folder)
    if not folder.exists():
        return None
    try:
        tensors = load_file(str(folder / "state.safetensors"))
        facts = json.loads((folder / "progress.json").read_text())
        facts["validations"] = [tuple(entry) for entry in facts["validations"]]
        progress = Progress(**facts)
        if not isinstance(progress.step, int) or progress.step < 0:
            raise ValueError(f"progress.json names step {progress.step!r}")
        optimizer.load_state(tensors)
        torch.set_rng_state(tensors["random/cpu"])
        if "random/cuda" in tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(tensors["random/cuda"])
    except Exception as error:
        raise _not_restorable(folder, error) from error
    return progress


def _not_restorable(folder: Path, error: Exception) -> RunFolderError:
    return RunFolderError(
        f"the checkpoint cannot be restored: {error}",
        where=str(folder),
        fix="remove the run folder to start again, or restore it from a backup",
    )


def save_best(folder: Path, weights: dict[str, nn.Parameter]) -> None:
    """The trained weights as the forward pass used them. Raises NonFiniteError for weights that are no numbers."""
    broken = [name for name, parameter in weights.items() if not torch.isfinite(parameter).all()]
    if broken:
        fix = "lower learning_rate, or set dtype: float32"
        raise NonFiniteError(f"{len(broken)} trained tensors are not finite, the first is {broken[0]}", fix=fix)
    with new_folder(folder) as temporary:
        tensors: dict[str, Tensor] = {name: p.detach().contiguous() for name, p in weights.items()}
        save_file(tensors, str(temporary / "weights.safetensors"))


@torch.no_grad()
def load_best(folder: Path, weights: dict[str, nn.Parameter]) -> None:
    """Put the best weights back; every trained tensor must be there."""
    recover_folder(folder)
    try:
        tensors = load_file(str(folder / "weights.safetensors"))
        missing = sorted(set(weights) - set(tensors))
        if missing:
            raise ValueError(f"{len(missing)} tensors are missing, the first is {missing[0]}")
        for name, parameter in weights.items():
            parameter.copy_(tensors[name])
    except Exception as error:
        raise _not_restorable(folder, error) from error
