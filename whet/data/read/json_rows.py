"""The rows of a whole JSON text: a list, a list under one of the usual names, or columns as pandas and others write."""

from __future__ import annotations

from typing import Any

from whet.data.read.remarks import remark
from whet.errors import DataError, count

LISTS = ("data", "train", "rows", "examples", "records", "items", "instances", "samples")
"""Names under which a file's rows stand; the first that holds rows is read."""
FIX = "write a list of rows, or one object a line in a .jsonl file"


def rows_of(value: Any, label: str) -> list[Any]:
    """Every row, in order. Raises DataError for a value that holds none."""
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        raise _no_rows(value, label)

    found = _under_a_name(value, label)
    if found is None:
        found = _from_split(value, label)
    if found is None:
        found = _from_columns(value, label)
    if found is None:
        raise _no_rows(value, label)
    return found


def _under_a_name(value: dict[str, Any], label: str) -> list[Any] | None:
    """What else holds rows is remarked: a test part must not be taken for learned, nor for gone."""
    named = [name for name in value if _is_rows(value[name])]
    chosen = next((name for name in LISTS if name in named), None)
    if chosen is None and isinstance(value.get("data"), list) and "columns" not in value and len(value) == 1:
        return value["data"]
    if chosen is None:
        return None

    if chosen != "data":
        remark(f"{label}: the rows are those under {chosen!r}")

    for name in named:
        if name != chosen:
            what = f"{label}: {count(len(value[name]), 'row')} under {name!r} are not read"
            remark(f"{what}; write them to a file of their own, and to test on them name it: test")

    return value[chosen]


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _from_split(value: dict[str, Any], label: str) -> list[Any] | None:
    """What pandas writes with orient="split": names and lists of values apart."""
    names, lists = value.get("columns"), value.get("data")
    if not isinstance(names, list) or not isinstance(lists, list):
        return None

    for number, item in enumerate(lists, start=1):
        if not isinstance(item, list) or len(item) != len(names):
            what = f"the row does not hold one value for each of the {len(names)} columns"
            raise DataError(what, where=f"{label}#{number}", value=item, fix=FIX)

    return [dict(zip(names, item, strict=True)) for item in lists]


def _from_columns(value: dict[str, Any], label: str) -> list[Any] | None:
    """Columns of equal length: lists, or objects with numbers for keys (pandas' own form, either way round)."""
    columns = list(value.values())
    if columns and all(isinstance(column, dict) for column in columns):
        if all(name.isdigit() for name in value):
            return columns
        if not all(key.isdigit() for column in columns for key in column):
            return None

        columns = [list(column.values()) for column in columns]
    elif not columns or not all(isinstance(column, list) for column in columns):
        return None

    lengths = {name: len(column) for name, column in zip(value, columns, strict=True)}
    if len(set(lengths.values())) > 1:
        raise DataError("the columns have different lengths", where=label, value=lengths, fix=FIX)
    return [dict(zip(value, items, strict=True)) for items in zip(*columns, strict=True)]


def _no_rows(value: Any, label: str) -> DataError:
    return DataError(
        f"a JSON file must hold a list of rows, an object with that list under {', '.join(LISTS)}, or columns",
        where=label,
        value=sorted(value) if isinstance(value, dict) else value,
        fix=FIX,
    )
