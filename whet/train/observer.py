"""Who watches a run: the terminal implements this, tests and the Python API may stay silent."""

from __future__ import annotations

from typing import Any, Protocol


class Observer(Protocol):
    def phase(self, name: str, total: int | None = None) -> None:
        """A new part of the work begins; `total` is its number of steps where it is known."""

    def step(self, step: int, total: int, facts: dict[str, Any]) -> None:
        """One step of the current phase is done."""

    def note(self, text: str) -> None:
        """Something worth a line."""

    def done(self) -> None:
        """The current phase is over."""


class Silent:
    """An observer that says nothing."""

    def phase(self, name: str, total: int | None = None) -> None: ...

    def step(self, step: int, total: int, facts: dict[str, Any]) -> None: ...

    def note(self, text: str) -> None: ...

    def done(self) -> None: ...
