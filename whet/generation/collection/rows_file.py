"""The file of collected answers: rows that Whet reads, each with where it comes from.

    {"messages": [..., {"role": "assistant", "content": "..."}],
     "provenance": {"teacher", "model", "system", "temperature", "max_tokens", "sample", "when", "usage", "request"}}

Beside it `FILE.left-out.jsonl` holds the requests whose answers are no use (empty, or cut off), so that they are not
paid for twice. Both are appended to, and on the disk before the next request is sent.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from whet.errors import DataError, RunFolderError
from whet.generation.collection.spending import Usage
from whet.store.atomic import append_line, sync_file
from whet.store.reading import iter_lines
from whet.text.dates import now
from whet.types import Completion, Message


@dataclass(frozen=True, slots=True)
class CollectSettings:
    """How all requests of a file are made."""

    teacher: str
    """A URL, or the name of a local model."""
    model: str
    system: str | None = None
    samples: int = 1
    temperature: float = 0.0
    max_tokens: int = 512

    @property
    def shared(self) -> dict[str, Any]:
        """What every row of a file has in common; with more samples a file is only continued."""
        return {key: value for key, value in asdict(self).items() if key != "samples"}


@dataclass(frozen=True, slots=True)
class Request:
    """One answer that is wanted. `messages` is the prompt as it is written down, `asked` with the system prompt."""

    messages: list[Message]
    asked: list[Message]
    sample: int
    key: str


def request_of(prompt: list[Message], asking: CollectSettings, sample: int) -> Request:
    with_system = list(prompt)
    if asking.system:
        with_system.insert(0, {"role": "system", "content": asking.system})
    parts = json.dumps([asking.shared, with_system, sample], sort_keys=True)
    return Request(prompt, with_system, sample, hashlib.sha256(parts.encode()).hexdigest()[:32])


class RowsFile:
    """What a file holds already, and how to add to it."""

    def __init__(self, path: Path, asking: CollectSettings) -> None:
        """Raises DataError for a file of something else, or of other settings."""
        self.path, self.asking = path, asking
        self.left_out = path.with_name(path.name + ".left-out.jsonl")
        self.keys: set[str] = set()
        self.usage = Usage()

        self.rows = 0
        for file in (path, self.left_out):
            for number, line in enumerate(_lines(file), 1):
                self._take(line.get("provenance"), f"{file}:{number}")
                self.rows += file == path

    def add(self, request: Request, completion: Completion) -> bool:
        """True if the answer is of use and became a row."""
        usage = Usage(completion.prompt_tokens, completion.answer_tokens, completion.estimated)
        provenance = {
            **self.asking.shared,
            "sample": request.sample,
            "when": now(),
            "usage": asdict(usage),
            "request": request.key,
        }
        if not completion.text.strip():
            reason = "empty"
        elif completion.finished:
            reason = ""
        else:
            reason = "cut off"

        if reason:
            self._append(self.left_out, {"reason": reason, "provenance": provenance})
        else:
            answer = {"role": "assistant", "content": completion.text.strip()}
            self._append(self.path, {"messages": [*request.messages, answer], "provenance": provenance})
            self.rows += 1

        self.keys.add(request.key)
        self.usage += usage
        return not reason

    def _append(self, path: Path, row: dict[str, Any]) -> None:
        append_line(path, json.dumps(row, ensure_ascii=False).encode("utf-8", "replace").decode())
        sync_file(path)

    def _take(self, provenance: Any, where: str) -> None:
        fix = "give another --out, or remove this file"
        if not isinstance(provenance, dict) or not isinstance(provenance.get("request"), str):
            raise DataError("this file was not written by whet collect", where=where, fix=fix)

        for key, value in self.asking.shared.items():
            if provenance.get(key) != value:
                what = f"this row was collected with another {key}, {provenance.get(key)!r}"
                raise DataError(what, where=where, value=value, fix=fix)

        self.keys.add(provenance["request"])
        try:
            self.usage += Usage(**provenance["usage"])
        except (KeyError, TypeError) as error:
            raise DataError("this row does not say what it cost", where=where, fix=fix) from error


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        yield from iter_lines(path)
    except RunFolderError as error:
        raise DataError(error.what, where=error.where, fix="remove this line, or give another --out") from error
