"""The texts of rows that must not be learned, whatever their shape: question and answer apart; one is enough."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_NAME = re.compile(r"(^|_)(id|uuid|hash|url|date|role)$")
"""Fields that name a row and do not belong to its words."""
FEWEST_WORDS = 8
"""A text with fewer words counts only where the row has no longer one."""


def texts_of(value: Any) -> list[str]:
    """The texts of a row by which it can be known again: its longest, and the others of some length."""
    texts = list(_texts(value))
    longest = max((len(text) for text in texts), default=0)
    return [text for text in texts if len(text) == longest or len(text.split()) >= FEWEST_WORDS]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            if not _NAME.search(str(name).lower()):
                yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
