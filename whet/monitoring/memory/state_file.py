"""A state as one plain file: numpy's zip of arrays, one of them the JSON of all the rest. It appears whole or not at
all, and reading it runs nothing."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from whet.errors import RunFolderError
from whet.store.atomic import write_bytes

VERSION = 1
FACTS = "facts"
ARRAY = "$array"
"""The key of an object that stands for an array."""
BEGIN_ANEW = "name another --state, or remove the folder to begin anew"


def write_state(path: Path, state: dict[str, Any]) -> None:
    """`state` is of JSON's types and arrays of numbers. Raises DiskFullError or RunFolderError; the old file is then
    untouched."""
    arrays: dict[str, np.ndarray] = {}
    facts = json.dumps({"version": VERSION, "state": _taken_out(state, arrays)}).encode()
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **{FACTS: np.frombuffer(facts, np.uint8)}, **arrays)  # type: ignore[arg-type]
    write_bytes(path, packed.getvalue())


def read_state(path: Path) -> dict[str, Any] | None:
    """None where there is none. Raises RunFolderError for a file that is damaged or of another version of Whet."""
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            facts = json.loads(arrays[FACTS].tobytes())
            version = facts["version"]
            if version == VERSION:
                return _put_back(facts["state"], arrays)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        what = f"the state of this watch is damaged: {error}"
        raise RunFolderError(what, where=str(path), fix=f"restore it from a backup; or {BEGIN_ANEW}") from error
    what = f"the state of this watch is of the form {version!r}, and this Whet reads {VERSION}"
    raise RunFolderError(what, where=str(path), fix=f"use the Whet that wrote it; or {BEGIN_ANEW}")


def _taken_out(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, np.ndarray):
        name = f"a{len(arrays)}"
        arrays[name] = value
        return {ARRAY: name}
    if isinstance(value, dict):
        return {key: _taken_out(inner, arrays) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_taken_out(inner, arrays) for inner in value]
    return value


def _put_back(value: Any, arrays: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {ARRAY}:
            return arrays[value[ARRAY]]
        return {key: _put_back(inner, arrays) for key, inner in value.items()}
    if isinstance(value, list):
        return [_put_back(inner, arrays) for inner in value]
    return value
