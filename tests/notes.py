"""An observer that keeps what it is told, for tests that read it."""

from __future__ import annotations

from whet.observer import Silent


class Notes(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)
