"""What a terminal says of a section, as plain values; whet/cli/render.py draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whet.text.numbers import format_score


@dataclass(frozen=True, slots=True)
class Phrase:
    """A paragraph, a part of a frame, or a cell of a grid."""

    text: str
    tone: str = ""
    """A word of a verdict, a budget, a goal or the answer, or `strong` or `soft`: whet/cli/render.py has its colour."""


@dataclass(frozen=True, slots=True)
class Grid:
    """A table."""

    title: str
    columns: Sequence[str]
    """Those whose name starts with '#' hold numbers and are aligned to the right."""
    rows: Sequence[Sequence[object]]
    """A cell is a Phrase or a plain value."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A text in a frame, with a title on it."""

    title: str
    tone: str
    text: Sequence[Phrase]


Spoken = Phrase | Grid | Frame


def score(value: float | None, scale: float | None = None) -> str:
    if value is None:
        return "-"
    return format_score(value, scale)
