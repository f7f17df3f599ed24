"""Temporary files and folders that a killed process left behind: found by their names, removed when nobody holds them.

Whoever writes one holds a lock on it, which the system takes from a dead process. Where there are no such locks
(Windows) only what is a day old is removed.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

NAME = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")
"""As whet/store/atomic.py makes them."""
OLD_SECONDS = 24 * 3600
FEW_SECONDS = 2
"""A file that has just been made may not be locked yet."""


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Within this block nobody takes this file or folder, which must exist, for left over."""
    handle = None
    if fcntl is not None:
        handle = os.open(path, os.O_RDONLY)

    try:
        if fcntl is not None and handle is not None:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        if handle is not None:
            os.close(handle)


def is_held(path: Path) -> bool:
    """Whether a process holds this file or folder just now; False where there are no locks that could tell."""
    return fcntl is not None and _held_by_another(path, fcntl.LOCK_SH) is True


def leftovers(folder: Path, deep: bool = False) -> list[Path]:
    """What was left in this folder, with `deep` also in those below it."""
    pattern = "**/.*.tmp" if deep else ".*.tmp"
    return [path for path in folder.glob(pattern) if NAME.fullmatch(path.name) and _is_dead(path)]


def _is_dead(path: Path) -> bool:
    try:
        age = time.time() - path.stat().st_mtime
    except OSError:  # gone meanwhile
        return False

    if fcntl is None or age < FEW_SECONDS:
        return age > OLD_SECONDS
    return _held_by_another(path, fcntl.LOCK_EX) is False


def _held_by_another(path: Path, lock: int) -> bool | None:
    """Whether a process holds a lock that does not go together with this one; None where it cannot be told: the file
    is gone meanwhile, of another user, or on a file system without locks."""
    assert fcntl is not None
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return None

    try:
        fcntl.flock(handle, lock | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(handle)
