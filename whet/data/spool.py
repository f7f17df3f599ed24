"""Bytes that are needed once more before the work is done: on disk, in a file without a name."""

from __future__ import annotations

import tempfile
from pathlib import Path

from whet.store.atomic import naming_disk_errors


class Spool:
    """Append, then read anywhere. The file has no name, so nothing is left behind, however the process ends."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or Path(tempfile.gettempdir())
        with naming_disk_errors(self._folder):
            self._file = tempfile.TemporaryFile(dir=folder)
        self.size = 0

    def append(self, data: bytes) -> None:
        """Raises DiskFullError."""
        with naming_disk_errors(self._folder):
            self._file.seek(self.size)
            self._file.write(data)
        self.size += len(data)

    def read(self, offset: int, count: int) -> bytes:
        """At most `count` bytes: fewer at the end. Raises DiskFullError where what was appended finds no room."""
        with naming_disk_errors(self._folder):
            self._file.seek(offset)
            return self._file.read(count)
