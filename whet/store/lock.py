"""One writer at a time: an operating-system lock on a file, which a dead process can not keep."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import IO

from whet.errors import RunFolderError
from whet.store.atomic import make_folder, naming_disk_errors

try:
    import fcntl
except ImportError:  # Windows
    import msvcrt

    def _seize(file: IO[str], shared: bool) -> None:
        """Windows has no shared one: readers wait for each other there."""
        file.seek(1 << 30)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
else:

    def _seize(file: IO[str], shared: bool) -> None:
        fcntl.flock(file.fileno(), (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


RETRY = 0.02
"""Seconds until a lock that another process holds is tried again."""


class Lock:
    """`with Lock(path):` holds the lock; raises RunFolderError naming the holder when another process has it, and for
    so many seconds of `patience` does not let go of it. Several `shared` ones, of processes that only read, are held at
    once, and none beside one that is not.

    The system drops the lock when its process dies, so a stale lock file is taken over by itself.
    """

    def __init__(self, path: Path, what: str, patience: float = 0.0, shared: bool = False) -> None:
        self.path, self.what, self.patience, self.shared = path, what, patience, shared
        self._file: IO[str] | None = None
        self._depth = 0

    def __enter__(self) -> Lock:
        if self._depth == 0:
            self._file = self._open()
        self._depth += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0 and self._file:
            self._file.close()
            self._file = None

    def _open(self) -> IO[str]:
        make_folder(self.path.parent)
        with naming_disk_errors(self.path):
            file = open(self.path, "a+", encoding="utf-8")

        try:
            self._wait(file)
        except OSError as error:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise RunFolderError(
                f"{self.what} is being written by another process (pid {holder})",
                where=str(self.path.parent),
                fix="wait for it to end, stop it, or choose another --name",
            ) from error

        with naming_disk_errors(self.path):
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()

        return file

    def _wait(self, file: IO[str]) -> None:
        """Raises OSError where nobody lets go of it in time."""
        until = time.monotonic() + self.patience
        while True:
            try:
                return _seize(file, self.shared)
            except OSError:
                if time.monotonic() >= until:
                    raise
            time.sleep(RETRY)

    @property
    def busy(self) -> bool:
        """Whether anyone, this object included, holds the lock at this moment."""
        if self._depth:
            return True
        if not self.path.exists():
            return False

        with open(self.path, encoding="utf-8") as file:
            try:
                _seize(file, shared=False)
            except OSError:
                return True

        return False
