"""What uploaded files hold, on disk: under names of the service's own, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from whet.errors import RunFolderError
from whet.server.errors import ApiError
from whet.store.atomic import make_folder, naming_disk_errors, sweep, sync_folder
from whet.store.leftovers import held

PIECE = 1 << 20
"""Bytes that are read at once."""


class Incoming:
    """A file that is being written. It is there under its name once `keep` was called, and gone otherwise."""

    def __init__(self, path: Path, most: int) -> None:
        self.path, self.most = path, most
        self.size = 0
        self._digest = hashlib.sha256()
        self._stack = ExitStack()
        with naming_disk_errors(path):
            self._file: IO[bytes] = self._stack.enter_context(path.open("xb"))
            self._stack.enter_context(held(path))

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        """Raises ApiError 413 beyond the limit, DiskFullError."""
        self.size += len(data)
        if self.size > self.most:
            raise too_large(self.most)
        with naming_disk_errors(self.path):
            self._file.write(data)
        self._digest.update(data)

    def keep(self, final: Path) -> None:
        """On disk for good before anybody is told so. Raises DiskFullError."""
        with naming_disk_errors(self.path):
            self._file.flush()
            os.fsync(self._file.fileno())
            os.replace(self.path, final)
            sync_folder(final.parent)
        self._stack.close()

    def drop(self) -> None:
        with suppress(OSError):  # what a full disk could not take is written again when a file is closed
            self._stack.close()
        self.path.unlink(missing_ok=True)


class Contents:
    """The folder of all contents; a file is called as its identifier, which no client can choose."""

    def __init__(self, folder: Path, most: int) -> None:
        self.folder, self.most = folder, most
        make_folder(folder)

    def path(self, name: str) -> Path:
        return self.folder / name

    def incoming(self) -> Incoming:
        return Incoming(self.folder / f".upload.{uuid.uuid4().hex[:8]}.tmp", self.most)

    def add(self, name: str, data: bytes) -> str:
        """A file of the service's own; gives its sha256."""
        incoming = Incoming(self.folder / f".made.{uuid.uuid4().hex[:8]}.tmp", max(self.most, len(data)))
        try:
            incoming.write(data)
            incoming.keep(self.path(name))
        finally:
            incoming.drop()
        return incoming.sha256

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes, piece by piece; opened at once, so that a file that is deleted meanwhile is read to its end.
        Raises ApiError 404."""
        try:
            file = self.path(name).open("rb")
        except FileNotFoundError as error:
            raise ApiError(404, f"The content of {name!r} is gone.", code="file_not_found") from error
        return _pieces(file)

    def remove(self, name: str) -> None:
        self.path(name).unlink(missing_ok=True)

    def sweep(self) -> None:
        """What uploads left that ended with the process that took them."""
        sweep(self.folder)


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(PIECE):
            yield piece


def link(content: Path, place: Path) -> None:
    """The same content under another name, that stays when the first is removed: by a hard link, else by a copy.
    Raises RunFolderError where there is no such content."""
    make_folder(place.parent)
    if place.exists():
        return
    if not content.exists():
        raise RunFolderError("the content of this file is gone", where=str(content), fix="upload it again")
    with naming_disk_errors(place):
        try:
            os.link(content, place)
        except OSError:
            temporary = place.with_name(f".{place.name}.{uuid.uuid4().hex[:8]}.tmp")
            shutil.copyfile(content, temporary)
            os.replace(temporary, place)


@contextmanager
def linked(content: Path, place: Path) -> Iterator[Path]:
    """`link`, for as long as the block lasts."""
    link(content, place)
    try:
        yield place
    finally:
        place.unlink(missing_ok=True)


def too_large(most: int) -> ApiError:
    return ApiError(413, f"The file is larger than the {most:,} bytes allowed.", code="file_too_large", param="file")
