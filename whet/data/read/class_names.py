"""Classes that a set of the package `datasets` keeps as numbers, with their names beside the rows: the names are what
is meant, and what a model can learn something from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from numbers import Integral
from typing import Any


def with_class_names(data: Any) -> Iterator[dict[str, Any]]:
    """Every row, with the name of a class in the place of its number, in lists and groups, too. A number below 0 says
    that there is none."""
    features = getattr(data, "features", None) or {}
    for row in _plain(data):
        yield {column: _named(value, features.get(column)) for column, value in dict(row).items()}


def _plain(data: Any) -> Any:
    """The set in Python's own types, not as arrays or tables of its format: those give no rows, or no whole numbers. A
    transform of the program's own is what the program means by its rows, and stays."""
    shape = getattr(data, "format", None) or {}
    if not hasattr(data, "with_format") or shape.get("type") == "custom":
        return data

    if shape.get("output_all_columns"):
        chosen = None
    else:
        chosen = shape.get("columns")

    if chosen is None:
        return data.with_format(None)
    return data.with_format(None, columns=chosen)


def _named(value: Any, feature: Any) -> Any:
    """A list's feature is that of its items, written as `[feature]` or with it inside."""
    if hasattr(feature, "int2str"):
        if not isinstance(value, Integral) or isinstance(value, bool):
            if isinstance(value, list | tuple):
                return [_named(one, feature) for one in value]
            return value
        if int(value) >= 0:
            return feature.names[int(value)]
        return None
    if isinstance(feature, Mapping) and isinstance(value, Mapping):
        return {key: _named(one, feature.get(key)) for key, one in value.items()}

    if isinstance(feature, list) and feature:
        inner = feature[0]
    else:
        inner = getattr(feature, "feature", None)

    if inner is None:
        return value
    if isinstance(value, Mapping):  # a list of groups is kept as a group of lists
        return _named(value, inner)
    if isinstance(value, list | tuple):
        return [_named(one, inner) for one in value]
    return value
