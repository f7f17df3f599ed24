"""What a reader has to tell of a file that it reads all the same: gathered by whoever asks, and told once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_heard: ContextVar[list[str] | None] = ContextVar("remarks", default=None)


def remark(text: str) -> None:
    """Say something of a file; once, however often it is read."""
    heard = _heard.get()
    if heard is not None and text not in heard:
        heard.append(text)


@contextmanager
def heard() -> Iterator[list[str]]:
    """The list of all that readers remark within this block."""
    remarks: list[str] = []
    token = _heard.set(remarks)
    try:
        yield remarks
    finally:
        _heard.reset(token)
