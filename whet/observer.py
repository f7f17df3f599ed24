"""Who watches a run: the terminal implements this, tests and the Python API may stay silent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from whet.pulse import heard_by

Count = Callable[[int], None]
"""Told how much of the work is done, each time a part of it is."""
Progress = Callable[[int, int], None]
"""Told that, and how much there is in all."""


class Observer(Protocol):
    def phase(self, name: str, total: int | None = None) -> None:
        """A new part of the work begins; `total` is its number of steps where it is known."""

    def step(self, step: int, total: int, facts: dict[str, Any]) -> None:
        """One step of the current phase is done."""

    def note(self, text: str) -> None:
        """Something worth a line."""

    def done(self) -> None:
        """The current phase is over."""


@runtime_checkable
class Attentive(Protocol):
    """An observer that also wants to hear what happens within a step; others are not told."""

    def pulse(self, text: str) -> None:
        """The current step is still at work: `text` says on what. Comes several times a second."""


@runtime_checkable
class Collecting(Protocol):
    """An observer that keeps checkpoints as models, to be opened while the run goes on; others are not asked."""

    def checkpoint(self, step: int, save: Callable[[Path], None]) -> None:
        """The run makes a checkpoint at `step`. `save` writes the model as it is now into a new folder."""


@contextmanager
def watched_by(observer: Observer) -> Iterator[None]:
    """Within this block an attentive observer feels the pulse of the work."""
    if not isinstance(observer, Attentive):
        yield
        return
    with heard_by(observer.pulse):
        yield


def counted(observer: Observer, total: int, start: int = 0) -> Count:
    """Tells the observer of `start + n` of `total` each time it is called with n."""

    def count(done: int) -> None:
        observer.step(start + done, total, {})

    return count


class Silent:
    """An observer that says nothing."""

    def phase(self, name: str, total: int | None = None) -> None: ...

    def step(self, step: int, total: int, facts: dict[str, Any]) -> None: ...

    def note(self, text: str) -> None: ...

    def done(self) -> None: ...
