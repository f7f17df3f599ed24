"""A folder of documents: what is in it, and what has changed since it was looked at last."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from whet.data.retrieval.growing_index import Document
from whet.errors import InputError
from whet.server.knowledge.cuts import Cut, Unreadable, cut_bytes

MOST_TRIES = 3
"""Readings of a file that is written at the same time; the last one counts, and is replaced at the next look."""


SETTLED_NS = 100_000_000
"""A file that was written so lately may change once more without a new time: clocks of file systems tick."""
_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as it was: by size and times, and by content."""

    signature: tuple[int, int, int]
    size: int
    changed: int
    """Seconds since 1970."""
    sha256: str
    document: Document | None
    unreadable: Unreadable | None


@dataclass(frozen=True, slots=True)
class Changes:
    added: list[Document] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    """What somebody who runs the service should hear: files that cannot be read."""


class Folder:
    """Files are called by their place in the folder, and never read from outside of it. One thread looks at a time."""

    def __init__(self, root: Path, cut: Cut) -> None:
        """Raises InputError for what is no folder."""
        if not root.is_dir():
            raise InputError("this is no folder", where="--documents", value=str(root), fix="give the folder of texts")
        self.root, self.cut = root.resolve(), cut
        self.seen: dict[str, Seen] = {}

    def look(self, stopping: Callable[[], bool] = lambda: False) -> Changes:
        """What has changed since the last look; nothing where it was told to stop. Raises OSError where the folder
        cannot be read."""
        changes, seen = Changes(), {}
        for label, path, found in self._files():
            if stopping():
                return Changes()
            before = self.seen.get(label)
            if before is not None and before.signature == _signature(found):
                seen[label] = before
                continue
            seen[label] = now = self._see(label, Path(path), found, before)
            if before is not None and now.document is before.document and now.unreadable == before.unreadable:
                continue
            if now.unreadable:
                changes.told.append(now.unreadable.message)
            if now.document:
                changes.added.append(now.document)
            elif before and before.document:
                changes.removed.append(before.document.id)

        gone = [each.document.id for label, each in self.seen.items() if label not in seen and each.document]
        changes.removed.extend(gone)
        self.seen = seen
        return changes

    def _see(self, label: str, path: Path, found: os.stat_result, before: Seen | None) -> Seen:
        try:
            data, signature = _read(self.root, path)
        except (OSError, ValueError) as error:
            why = Unreadable("invalid_file", f"{label}: {_reason(error)}.")
            return Seen(_signature(found), found.st_size, int(found.st_mtime), "", None, why)

        sha256 = hashlib.sha256(data).hexdigest()
        if before is not None and before.sha256 == sha256:
            return replace(before, signature=signature)
        seen = Seen(signature, len(data), int(found.st_mtime), sha256, None, None)
        passages = cut_bytes(data, label, self.cut)
        if isinstance(passages, Unreadable):
            return replace(seen, unreadable=passages)
        return replace(seen, document=Document(document_id(label), label, Path(label).parts, passages))

    def _files(self) -> Iterator[tuple[str, str, os.stat_result]]:
        """(place in the folder, path, what the disk says) of every file that is not hidden."""
        waiting = [str(self.root)]
        begin = len(os.path.join(self.root, ""))
        while waiting:
            for entry in self._entries(waiting.pop()):
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                    continue
                try:
                    found = entry.stat()
                except OSError:  # it is gone already, or a link that leads nowhere
                    continue
                if stat.S_ISREG(found.st_mode):
                    yield entry.path[begin:].replace(os.sep, "/"), entry.path, found

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                return [entry for entry in entries if not entry.name.startswith(".")]
        except FileNotFoundError:
            if folder == str(self.root):
                raise
            return []  # it went since its parent was read


def document_id(label: str) -> str:
    """The same for the same place in any folder."""
    return "doc-" + hashlib.sha256(label.encode("utf-8", "surrogateescape")).hexdigest()[:24]


def _read(root: Path, path: Path) -> tuple[bytes, tuple[int, int, int]]:
    """The bytes, and the signature that they had. Raises OSError, and ValueError for a link that leads out."""
    real = path.resolve(strict=True)
    if not real.is_relative_to(root):
        raise ValueError("this link leads out of the folder, and is not followed")
    for last in (number == MOST_TRIES - 1 for number in range(MOST_TRIES)):
        with open(os.open(real, os.O_RDONLY | _FLAGS), "rb") as file:
            before = _signature(os.fstat(file.fileno()))
            data = file.read()
            if last or before == _signature(os.fstat(file.fileno())):
                break
    if time.time_ns() - before[0] < SETTLED_NS:
        return data, (0, 0, 0)  # it is read again at the next look, and then most often as it is here
    return data, before


def _signature(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_mtime_ns, found.st_size, found.st_ino


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror or error}"
    return str(error)
