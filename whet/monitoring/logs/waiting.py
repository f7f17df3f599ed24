"""Halves of a request that wait for each other, because a log writes them in lines of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

MOST_WAITING = 10_000
"""Requests that are held at once: far more than a server works on together, and little memory."""

Part = TypeVar("Part")


class Waiting(Generic[Part]):
    """Parts by a key, the oldest first. A log of prompts whose answers never come must not fill the memory: beyond
    MOST_WAITING the oldest goes out as it is."""

    def __init__(self) -> None:
        self._parts: dict[str, list[Part]] = {}
        self._size = 0

    def put(self, key: str, part: Part) -> Part | None:
        """Let a part wait; the oldest, where there is no room any more."""
        self._parts.setdefault(key, []).append(part)
        self._size += 1
        return self.take(next(iter(self._parts))) if self._size > MOST_WAITING else None

    def last(self, key: str) -> Part | None:
        """The part that came last under this key."""
        parts = self._parts.get(key)
        return parts[-1] if parts else None

    def take(self, key: str) -> Part | None:
        """The part that has waited longest under this key; it waits no more."""
        parts = self._parts.get(key)
        if not parts:
            return None
        self._size -= 1
        part = parts.pop(0)
        if not parts:
            del self._parts[key]
        return part

    def rest(self) -> Iterator[Part]:
        """All that still wait, the oldest first."""
        while self._parts:
            part = self.take(next(iter(self._parts)))
            if part is not None:
                yield part
