"""Names that have been seen: the latest, by hashes of eight bytes, so that the room is bounded."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import numpy as np

MOST = 50_000


class Remembered:
    """The names that came first are forgotten first. `forgotten` is the largest mark of one that was."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.forgotten = -np.inf
        self._marks: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self._marks)

    def __contains__(self, name: str) -> bool:
        return _hashed(name) in self._marks

    def add(self, name: str, mark: float = 0.0) -> bool:
        """Whether the name is new. `mark` is kept with it, such as a time."""
        key = _hashed(name)
        if key in self._marks:
            return False
        self._marks[key] = mark
        if len(self._marks) > self.most:
            first = next(iter(self._marks))
            self.forgotten = max(self.forgotten, self._marks.pop(first))
        return True

    def state(self) -> dict[str, Any]:
        keys, marks = list(self._marks), list(self._marks.values())
        marked = {"keys": np.array(keys, np.uint64), "marks": np.array(marks, float)}
        return marked | {"most": self.most, "forgotten": np.array([self.forgotten])}

    @classmethod
    def restored(cls, state: dict[str, Any]) -> Remembered:
        found = cls(state["most"])
        found.forgotten = float(state["forgotten"][0])
        found._marks = dict(zip(state["keys"].tolist(), state["marks"].tolist(), strict=True))
        return found


def first_of_each(names: Iterable[str | None], seen: Remembered) -> list[bool]:
    """Whether each name has not come before; one that is None never has."""
    return [name is None or seen.add(name) for name in names]


def _hashed(name: str) -> int:
    return int.from_bytes(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
