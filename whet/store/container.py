"""The memory that control groups leave to this process: in a container, or under systemd, less than the machine has.

Linux kills a process that takes more, without a word. Files as the kernel's documents name them
(admin-guide/cgroup-v2, admin-guide/cgroup-v1/memory).
"""

from __future__ import annotations

from pathlib import Path

MOUNTED = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
FILES = {"": ("memory.max", "memory.current"), "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes")}
"""Limit and what is used of it, in bytes: of version 2, and below `memory` of version 1."""


def memory_limit() -> int | None:
    """Bytes: the smallest limit of the groups that this process is in. It does not change while others come and go.
    None outside of one, and outside of Linux."""
    return min((limit for limit, _ in _groups()), default=None)


def memory_left() -> int | None:
    """Bytes that may be taken now within these limits; None without one."""
    return min((max(0, limit - used) for limit, used in _groups()), default=None)


def _groups() -> list[tuple[int, int]]:
    """(limit, used) of the groups of this process that have a limit, those that they lie in included."""
    found = []
    for folder, files in _folders():
        try:
            limit, used = ((folder / name).read_text().strip() for name in files)
        except OSError:
            continue

        if limit.isdigit() and used.isdigit():  # else `max`: none
            found.append((int(limit), int(used)))

    return found


def _folders() -> list[tuple[Path, tuple[str, str]]]:
    """Of each version the group of this process and those above it. Within a container only what lies at the top may
    be seen, which is its own."""
    found = [(MOUNTED / top, files) for top, files in FILES.items()]
    try:
        lines = OWN.read_text().splitlines()
    except OSError:
        return found

    for line in lines:
        _, kinds, path = line.split(":", 2)
        if "memory" in kinds.split(","):
            kind = "memory"
        else:
            kind = kinds

        parts = [part for part in path.split("/") if part]
        if kind in FILES and ".." not in parts:  # that group lies outside of what is seen here
            found += [(MOUNTED.joinpath(kind, *parts[:end]), FILES[kind]) for end in range(1, len(parts) + 1)]

    return found
