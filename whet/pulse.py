"""Signs of life from loops deep within the work: what reads or writes says so at each pass, and whoever watches hears.

An observer's steps come from the code that knows how many there are. Within one step lie many passes through the model
(a rollout, a validation, a suite of questions), in code that knows no observer. It calls `beat`; nothing happens where
nobody listens.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

LEAST_SECONDS = 0.1
"""Beats that follow each other faster are dropped: a token of a small model takes a few milliseconds."""

Listener = Callable[[str], None]


class _Ear:
    """A listener, and when it last heard something."""

    def __init__(self, listener: Listener) -> None:
        self.listener, self.last = listener, float("-inf")


_ear: ContextVar[_Ear | None] = ContextVar("ear", default=None)
_words: ContextVar[tuple[str, ...]] = ContextVar("words", default=())


def beat(text: str) -> None:
    """`text` says what is being done, in a few words."""
    ear = _ear.get()
    if ear is None:
        return
    now = time.monotonic()
    if now - ear.last >= LEAST_SECONDS:
        ear.last = now
        ear.listener(", ".join((*_words.get(), text)))


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Within this block `listener` gets every beat."""
    token = _ear.set(_Ear(listener))
    try:
        yield
    finally:
        _ear.reset(token)


@contextmanager
def saying(words: str) -> Iterator[None]:
    """Within this block the text of a beat begins with these words."""
    token = _words.set((*_words.get(), words))
    try:
        yield
    finally:
        _words.reset(token)
