"""A sample of rows for what cannot be done with all of them: the same rows whatever their order in the file."""

from __future__ import annotations

import hashlib

MOST_TEXTS, MOST_CHARACTERS = 4_000, 2_000


class TextSample:
    """The texts whose hashes are the smallest, with the index of their row."""

    def __init__(self, most: int = MOST_TEXTS) -> None:
        self.most, self.rows = most, 0
        self._kept: list[tuple[bytes, int, str]] = []
        self._bound: bytes | None = None

    def add(self, index: int, text: str) -> None:
        self.rows += 1
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        if self._bound is None or digest <= self._bound:
            self._kept.append((digest, index, text[:MOST_CHARACTERS]))
            if len(self._kept) >= 2 * self.most:
                self._cut()

    def texts(self) -> list[tuple[int, str]]:
        """(row index, text), in the order of the rows."""
        self._cut()
        return sorted((index, text) for _, index, text in self._kept)

    def _cut(self) -> None:
        self._kept = sorted(self._kept)[: self.most]
        if len(self._kept) == self.most:
            self._bound = self._kept[-1][0]
