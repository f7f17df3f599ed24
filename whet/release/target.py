"""The folder that an export goes to: is it free, may it be written, does another process write it just now?"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from whet.errors import RunFolderError
from whet.release.inspection.kept_proofs import RELEASE
from whet.store.atomic import remove, temporary_name
from whet.store.leftovers import is_held, leftovers

ANOTHER = "give another folder: --out FOLDER"


def place_of(out: Path) -> Path:
    """Where a link leads, so that it stays one. Raises RunFolderError for one that leads nowhere."""
    if not out.is_symlink():
        return out
    if not out.exists():
        fix = "make the folder that it leads to, remove it, or give another one: --out FOLDER"
        raise RunFolderError("this link leads nowhere", where=str(out), fix=fix)
    return out.resolve()


def refuse_target(out: Path, own: Iterable[Path]) -> None:
    """Before anything is written. `own` are folders that an export may not lie in. Raises RunFolderError."""
    if out.exists() and not _is_free(out):
        raise RunFolderError("this folder is in the way: it is no earlier export", where=str(out), fix=ANOTHER)
    for folder in own:
        if out.resolve().is_relative_to(folder.resolve()):
            what = f"an export may not lie in {folder}, which is proved to be what was trained"
            raise RunFolderError(what, where=str(out), fix=ANOTHER)

    there = next(one for one in out.absolute().parents if one.exists())
    if not there.is_dir():
        raise RunFolderError("a file is where a folder is needed", where=str(there), fix=ANOTHER)

    probe = temporary_name(there / out.name)  # permissions alone say nothing to root, nor of a disk that only reads
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise RunFolderError(f"cannot write there: {reason}", where=str(there), fix=ANOTHER) from error

    refuse_rival(out)


def refuse_rival(out: Path, mine: Path | None = None) -> None:
    """Raises RunFolderError where another process writes an export there; `mine` is what this one writes."""
    for path in out.absolute().parent.glob(f".{out.name}.*.tmp"):
        if (mine is None or path.name != mine.name) and is_held(path):
            fix = f"wait for it to end, or {ANOTHER}"
            raise RunFolderError("another process writes an export there just now", where=str(out), fix=fix)


def clear_leftovers(out: Path) -> None:
    """What an export to this place left that was killed; files of others beside it stay."""
    for path in leftovers(out.absolute().parent):
        if path.name.startswith(f".{out.name}."):
            remove(path)


def _is_free(out: Path) -> bool:
    """An empty folder, or an earlier export: others have a release.json, too."""
    if not out.is_dir():
        return False
    if not any(out.iterdir()):
        return True
    try:
        stored = json.loads((out / RELEASE).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(stored, dict) and {"form", "run"} <= stored.keys()
