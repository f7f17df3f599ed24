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
    that there is not, a run at work, and, without `force`, one whose model is in use."""
    runs = [Run.open(name, root) for name in names]
    of_name = {run.name: run for run in runs}

    in_use: dict[str, str] = {}
    for model in model_registry.list_models(root):
        if model.current is not None:
            in_use[model.version(model.current).run] = f"{model.name}@{model.current}"

    for name, run in of_name.items():
        if run.lock.busy:
            fix = "wait for it to end, or stop it"
            raise RunFolderError("this run is at work", where=str(run.folder), fix=fix)
        if name in in_use and not force:
            what = f"the model of this run is in use as {in_use[name]}"
            model = in_use[name].partition("@")[0]
            fix = f"put another version in use (whet models roll-back {model}), or give --force"
            raise RunFolderError(what, where=str(run.folder), fix=fix)

    freed = {}
    for name, run in of_name.items():
        freed[name] = size_of(run.folder)
        with run.lock:
            remove(run.folder)

    return freed


def size_of(folder: Path) -> int:
    """Bytes of all files in it."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
