"""A checksum for every file that a resume reads: one flipped bit must not become other weights or another verdict.

A folder that appears whole (a checkpoint, a model) holds SHA256SUMS, which `sha256sum -c SHA256SUMS` reads, too. Files
that a run writes one by one are listed in its checksums.json, and lines that are appended one by one carry their own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from whet.errors import InputError, RunFolderError
from whet.store.atomic import plain, sha256_file, sha256_text, write_json, write_text

SUMS = "SHA256SUMS"
OF_RUN = "checksums.json"
NOT_SUMMED = (SUMS, "README.md")
RESTORE_IT = "restore it from a backup; or remove the run folder and train again"
LINE_SUM = "sum"
"""Key of a line's own checksum."""


def seal(folder: Path, known: Mapping[str, str] | None = None) -> None:
    """Lists every file of a folder that is complete. `known` are the digests of files that were read a moment ago:
    weights are large, and not read again."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in NOT_SUMMED)
    files = [(str(path.relative_to(folder)), path) for path in paths]
    write_text(folder / SUMS, "".join(f"{_sum(path, name, known)}  {name}\n" for name, path in files))


def damage(folder: Path, known: Mapping[str, str] | None = None) -> str | None:
    """What of a sealed folder is not what was written, in words; None where all is. `known` as for `seal`."""
    try:
        lines = (folder / SUMS).read_text("utf-8").splitlines()
    except FileNotFoundError:
        return f"it has no {SUMS}: it was made by another version of Whet, or the file is gone"
    except (OSError, UnicodeDecodeError) as error:
        return f"{SUMS} cannot be read: {error}"

    for line in lines:
        found = re.fullmatch(r"([0-9a-f]{64})  (.+)", line)
        if not found:
            return f"{SUMS} is damaged"

        path = folder / found[2]
        if not path.is_file():
            return f"{found[2]} is missing"
        if _sum(path, found[2], known) != found[1]:
            return f"{found[2]} is not what was written: its checksum differs"

    return None if lines else f"{SUMS} is empty"


def refuse_other_weights(known: Mapping[str, str], folder: Path) -> None:
    """The weights of a model folder, whose checksums by name are `known`, and what says how they are read, must be byte
    for byte those that the training left. Raises RunFolderError."""
    for name, digest in known.items():
        if not (folder / name).is_file() or sha256_file(folder / name) != digest:
            what = "this file of weights is missing, damaged or not the one that the training left"
            raise RunFolderError(what, where=str(folder / name), fix=RESTORE_IT)

    if not (folder / SUMS).exists():  # models of earlier versions have none
        return
    if change := damage(folder, known):
        raise RunFolderError(
            f"the model is not the one that the training left: {change}", where=str(folder), fix=RESTORE_IT
        )


def _sum(path: Path, name: str, known: Mapping[str, str] | None) -> str:
    return (known or {}).get(name) or sha256_file(path)


def expect(folder: Path, name: str, digest: str) -> None:
    """Notes in a run's folder that `name` is about to hold this. The digest before stays allowed, because the process
    may be killed before the file is replaced."""
    known = _listed(folder)
    known[name] = [*known.get(name, [])[-1:], digest]
    write_json(folder / OF_RUN, {"files": known, "sha256": _digest(known)})


def seal_lines(folder: Path, name: str) -> None:
    """A file that grew line by line is complete, if there is one: from now on it must stay as it is."""
    if (folder / name).exists():
        expect(folder, name, sha256_file(folder / name))


def forget(folder: Path, name: str) -> None:
    """`name` is going to change from now on, line by line."""
    known = _listed(folder)
    if known.pop(name, None):
        write_json(folder / OF_RUN, {"files": known, "sha256": _digest(known)})


@contextmanager
def damage_first(folder: Path) -> Iterator[None]:
    """Whatever speaks against a run whose files are not what it wrote: that they are not is the reason."""
    try:
        yield
    except InputError:
        refuse_damaged(folder)
        raise


def refuse_damaged(folder: Path) -> None:
    """Every listed file of a run's folder that is there must be what the run wrote. Raises RunFolderError."""
    for name, digests in _listed(folder).items():
        path = folder / name
        if path.is_file() and sha256_file(path) not in digests:
            raise RunFolderError(
                "this file is damaged: its checksum is not that of what the run wrote",
                where=str(path),
                fix="undo the change or restore the file from a backup; or start a new run with another --name",
            )


def weights_digest(facts: Mapping[str, Any]) -> str:
    """Which weights `facts`, whet.json or golden answers, speak of: by the checksums of their files, and by the scale,
    which an adapter's files do not tell."""
    return _digest([facts.get("weights_sha256", {}), facts.get("scale", 1.0)])


def with_sum(facts: Mapping[str, Any]) -> dict[str, Any]:
    """A line with its own checksum."""
    return {**facts, LINE_SUM: _line_digest(facts)}


def without_sum(line: dict[str, Any]) -> dict[str, Any]:
    """A line without its checksum; one that never had any is left as it is. Raises ValueError where it differs."""
    if LINE_SUM not in line:
        return line
    rest = {key: value for key, value in line.items() if key != LINE_SUM}
    if line[LINE_SUM] != _line_digest(rest):
        raise ValueError("its checksum differs")
    return rest


def write_summed(path: Path, value: object) -> None:
    """JSON with its own checksum, for what is remembered between runs."""
    held = plain(value)
    write_json(path, {"sha256": _digest(held), "holds": held})


def read_summed(path: Path) -> Any:
    """What `write_summed` wrote; None where there is no such file, or it is not what was written."""
    try:
        stored = json.loads(path.read_text("utf-8"))
        if stored["sha256"] == _digest(stored["holds"]):
            return stored["holds"]
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _listed(folder: Path) -> dict[str, list[str]]:
    path = folder / OF_RUN
    if not path.exists():
        return {}

    try:
        stored = json.loads(path.read_text("utf-8"))
        if stored["sha256"] != _digest(stored["files"]):
            raise ValueError("its own checksum differs")
        return dict(stored["files"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        fix = "restore it from a backup, or start a new run with another --name"
        raise RunFolderError(f"this file is damaged: {error}", where=str(path), fix=fix) from error


def _digest(files: object) -> str:
    return sha256_text(json.dumps(files, sort_keys=True))


def _line_digest(facts: Mapping[str, Any]) -> str:
    """Short: it finds damage, and need not withstand anybody."""
    return sha256_text(json.dumps(facts, sort_keys=True))[:16]
