"""The texts of a user's benchmark file, whatever its shape: what stands in its longest columns, row by row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from whet.data.source import read_source

_NAME = re.compile(r"(^|_)(id|uuid|hash|url|date|role)$")
"""Fields that name a row and do not belong to its words."""


def benchmark_texts(path: str) -> list[str]:
    """One text a row: its words, and those of its lists and objects. Raises DataError for what cannot be read."""
    return ["\n".join(texts_in(raw.value)) for raw in read_source(path)]


def texts_in(value: Any) -> Iterator[str]:
    """Every text within a row, but those of fields that only name things."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            if not _NAME.search(str(name).lower()):
                yield from texts_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts_in(inner)
