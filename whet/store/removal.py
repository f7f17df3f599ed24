"""Runs are removed by name: whole, and never under somebody who works on them or uses their model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from whet.errors import RunFolderError
from whet.store import model_registry
from whet.store.atomic import remove
from whet.store.run import Run


def remove_runs(names: Sequence[str], root: Path | str, force: bool = False) -> dict[str, int]:
    """Removes these runs, and gives the bytes of each. Raises RunFolderError before anything is removed: for a name
    that there is not, a run at work, and, without `force`, one whose model is live or pinned."""
    runs = {run.folder.resolve(): run for run in (Run.open(name, root) for name in names)}
    for folder, run in runs.items():
        name, held = folder.name, _held(folder.parent)
        if run.lock.busy:
            fix = "wait for it to end, or stop it"
            raise RunFolderError("this run is at work", where=str(run.folder), fix=fix)
        if name in held and not force:
            what, fix = held[name]
            raise RunFolderError(what, where=str(run.folder), fix=f"{fix}, or give --force")

    freed = {}
    for folder, run in runs.items():
        freed[folder.name] = size_of(run.folder)
        with run.lock:
            remove(run.folder)

    return freed


def _held(root: Path) -> dict[str, tuple[str, str]]:
    """Run -> why it stays as a model, and what lets it go. A run that is named by its folder may be in another root."""
    found = {}
    for model in model_registry.list_models(root):
        for one in model.versions:
            name = f"{model.name}@{one.version}"
            if one.stage == "live":
                fix = f"make another version live (whet models rollback {model.name})"
                found[one.run] = (f"the model of this run is live as {name}", fix)
            elif model.trial and one.version == model.trial.version:
                fix = f"end that (whet models end {model.name})"
                found.setdefault(one.run, (f"the model of this run is tried as {name}", fix))
            elif one.pinned:
                fix = f"let it go (whet models unpin {model.name} {one.version})"
                found.setdefault(one.run, (f"the model of this run is pinned as {name}", fix))
    return found


def size_of(folder: Path) -> int:
    """Bytes of all files in it."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
