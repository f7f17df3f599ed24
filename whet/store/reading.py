"""Files of a run as they are read: whole, of the documented kind, and what the run wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from whet.errors import RunFolderError
from whet.store import checksums


def optional_json(path: Path, default: Any) -> Any:
    """As `read_json_file`; `default` where the run has not come so far that there is such a file."""
    if path.exists():
        return read_json_file(path)
    return default


def read_json_file(path: Path, *keys: str) -> Any:
    """An object with these keys (choices.json: a list). Raises RunFolderError."""
    try:
        value = json.loads(path.read_text("utf-8"))
        kind = list if path.name == "choices.json" else dict
        if not isinstance(value, kind):
            raise ValueError(f"it holds a {type(value).__name__}")

        missing = [key for key in keys if key not in value]
        if missing:
            raise ValueError(f"it has no {missing[0]!r}")
        return value
    except FileNotFoundError as error:
        fix = "the run may not have come that far; see: whet runs"
        raise RunFolderError("this file is missing", where=str(path), fix=fix) from error
    except ValueError as error:
        fix = "restore it from a backup, or start a new run with another --name"
        raise RunFolderError(f"this file is damaged: {error}", where=str(path), fix=fix) from error


def read_lines(path: Path) -> list[dict[str, Any]]:
    """All of `iter_lines`."""
    return list(iter_lines(path))


def iter_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON-lines file, one by one; none where there is no file. A torn last line is left out; a
    damaged one before it raises RunFolderError."""
    if not path.exists():
        return

    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return

            try:
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise ValueError("it is no object")

                row = checksums.without_sum(row)
            except ValueError as error:
                fix = "restore the file from a backup, or start a new run with another --name"
                raise RunFolderError(f"this line is damaged: {error}", where=f"{path}:{number}", fix=fix) from error
            yield row
