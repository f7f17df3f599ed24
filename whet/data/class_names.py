"""Classes that a set of the package `datasets` keeps as numbers, with their names beside the rows: the names are what
is meant, and what a model can learn something from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def with_class_names(data: Any) -> Iterator[dict[str, Any]]:
    """Every row, with the name of a class in the place of its number. A number below 0 says that there is none."""
    features = getattr(data, "features", None) or {}
    names = {column: feature.names for column, feature in features.items() if hasattr(feature, "int2str")}
    for row in data:
        yield {column: _named(value, names.get(column)) for column, value in dict(row).items()}


def _named(value: Any, names: list[str] | None) -> Any:
    if names is None or not isinstance(value, int) or isinstance(value, bool):
        return value
    return names[value] if value >= 0 else None
