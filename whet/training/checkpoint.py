"""Checkpoints: `last` resumes exactly, `older` is the one before it, `best` is protected.

All appear whole or not at all, without pickles, and each of their files has a checksum: what is damaged is refused.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from whet.errors import NonFiniteError, RunFolderError, count
from whet.model.accelerator import is_processor, random_states, restore_random
from whet.model.precision import device
from whet.observer import Observer
from whet.store.atomic import new_folder, recover_folder, remove, sync_file, write_json, write_text
from whet.store.checksums import damage, seal
from whet.store.reading import read_json_file
from whet.store.run import METRICS, Run
from whet.training.optimizers.master_weights import MasterOptimizer

WEIGHTS, BEST, BESIDE = "weights.safetensors", "best.safetensors", "beside.json"
"""The best weights in their own folder, and in a checkpoint, which needs those of its time; what is beside them."""
RANDOM = "random/"
"""Before the kind of device whose generator's state a tensor is."""


@dataclass(slots=True)
class TrainingState:
    """How far a run is, and what it has measured; all of it goes into the checkpoint."""

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
    threads: int | None = None
    """Those of the processor that the run began on; None of a checkpoint that does not say."""


def save_last(run: Run, progress: TrainingState, optimizer: MasterOptimizer, path: str) -> None:
    """Weights, optimiser state, random state, progress and the best weights so far, in one atomic folder. The one
    before becomes `older`. `path` is the way through the model that the run takes."""
    tensors = {name: tensor.contiguous() for name, tensor in optimizer.state().items()}
    tensors |= {f"{RANDOM}{kind}": state for kind, state in random_states(device()).items()}
    final, older = run.checkpoint("last"), run.checkpoint("older")
    remove(older)  # first, so that no more than two are on the disk

    with new_folder(final, older) as temporary:
        save_file(tensors, str(temporary / "state.safetensors"))
        write_text(temporary / "progress.json", json.dumps(asdict(progress)))

        best = run.checkpoint("best") / WEIGHTS
        if best.exists():
            shutil.copyfile(best, temporary / BEST)

        write_json(temporary / BESIDE, {"path": path, **_metrics(run)})
        seal(temporary)


def newest(run: Run) -> Path | None:
    """`last`; where it is gone, `older`; None where there is none."""
    for which in ("last", "older"):
        recover_folder(run.checkpoint(which))
        if run.checkpoint(which).exists():
            return run.checkpoint(which)
    return None


def path_of(run: Run) -> str | None:
    """The way through the model that the run took up to its newest checkpoint. Raises RunFolderError for a damaged
    one."""
    folder = newest(run)
    if folder is None:
        return None
    _refuse_damaged(run, folder)
    return str(read_json_file(folder / BESIDE, "path")["path"])


def resume(run: Run, optimizer: MasterOptimizer, steps: int, observer: Observer) -> TrainingState:
    """The state of the last checkpoint, restored; a fresh start without one. Raises RunFolderError."""
    threads = torch.get_num_threads()
    progress = load_last(run, optimizer) or TrainingState(threads=threads)
    if progress.step > steps:
        what = f"the checkpoint is of step {progress.step}, but the run has only {count(steps, 'step')}"
        raise RunFolderError(what, where=str(run.checkpoint("last")), fix="remove the run folder to start again")

    run.truncate_metrics(progress.step)
    if progress.step:
        observer.note(f"resumed at step {progress.step}")

    if progress.threads not in (None, threads) and is_processor(device()):  # sums are added in another order
        began = f"the run began on {count(progress.threads, 'thread')} and goes on with {threads}"
        observer.note(f"results may differ in the last bits: {began} (OMP_NUM_THREADS sets it)")

    return progress


def load_last(run: Run, optimizer: MasterOptimizer) -> TrainingState | None:
    """Restore in place, the best weights too; None when there is no checkpoint. Raises RunFolderError for a damaged
    one."""
    folder = newest(run)
    if folder is None:
        return None

    _refuse_damaged(run, folder)
    try:
        tensors = load_file(str(folder / "state.safetensors"))
        progress = _progress(folder)
        optimizer.load_state(tensors)
        states = {key.removeprefix(RANDOM): value for key, value in tensors.items() if key.startswith(RANDOM)}
        restore_random(device(), states)
    except Exception as error:
        raise _not_restorable(folder, str(error)) from error

    if (folder / BEST).exists():  # later ones may be there already, and are found again
        with new_folder(run.checkpoint("best")) as temporary:
            shutil.copyfile(folder / BEST, temporary / WEIGHTS)
            seal(temporary)

    return progress


def _progress(folder: Path) -> TrainingState:
    facts = json.loads((folder / "progress.json").read_text())
    facts["validations"] = [tuple(entry) for entry in facts["validations"]]
    progress = TrainingState(**facts)
    if not isinstance(progress.step, int) or progress.step < 0:
        raise ValueError(f"progress.json names step {progress.step!r}")
    return progress


def _metrics(run: Run) -> dict[str, object]:
    """How long metrics.jsonl is now, and its checksum: later lines are written again after a resume."""
    path = run.folder / METRICS
    if not path.exists():
        return {"metrics_bytes": 0, "metrics_sha256": sha256(b"").hexdigest()}
    sync_file(path)
    data = path.read_bytes()
    return {"metrics_bytes": len(data), "metrics_sha256": sha256(data).hexdigest()}


def _damage(run: Run, folder: Path) -> str | None:
    """What of a checkpoint, or of the metrics up to it, is not what was written."""
    change = damage(folder)
    if change:
        return change

    beside = read_json_file(folder / BESIDE, "metrics_bytes", "metrics_sha256")
    metrics = run.folder / METRICS
    if metrics.exists():
        data = metrics.read_bytes()[: beside["metrics_bytes"]]
    else:
        data = b""

    same = sha256(data).hexdigest() == beside["metrics_sha256"]
    if same:
        return None
    return f"the lines of {metrics} up to it are not what was written: their checksum differs"


def _refuse_damaged(run: Run, folder: Path) -> None:
    """Raises RunFolderError, and offers the older checkpoint where it is whole."""
    change = _damage(run, folder)
    if not change:
        return

    older = run.checkpoint("older")
    if folder == older or not older.exists() or _damage(run, older):
        raise _not_restorable(folder, change)
    raise RunFolderError(
        f"the checkpoint is damaged: {change}",
        where=str(folder),
        fix=f"to go on from the older checkpoint, of step {_progress(older).step}, remove {folder} and give the same "
        "command again; the result is the same",
    )


def _not_restorable(folder: Path, why: str) -> RunFolderError:
    return RunFolderError(
        f"the checkpoint cannot be restored: {why}",
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
        save_file(tensors, str(temporary / WEIGHTS))
        seal(temporary)


@torch.no_grad()
def load_best(folder: Path, weights: dict[str, nn.Parameter]) -> None:
    """Put the best weights back; every trained tensor must be there."""
    recover_folder(folder)
    change = damage(folder)
    if change:
        fix = "give the same command again: the best weights are in the last checkpoint, too"
        raise RunFolderError(f"the best weights are damaged: {change}", where=str(folder), fix=fix)

    try:
        tensors = load_file(str(folder / WEIGHTS))
        missing = sorted(set(weights) - set(tensors))
        if missing:
            raise ValueError(f"{len(missing)} tensors are missing, the first is {missing[0]}")

        for name, parameter in weights.items():
            parameter.copy_(tensors[name])
    except Exception as error:
        raise _not_restorable(folder, str(error)) from error
