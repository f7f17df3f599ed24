"""Rows that a Python program holds (a list of dictionaries, a table of pandas or polars, a set of `datasets`), written
down as a file. A file of rows is what identity, resuming and every later look at a run stand on, and it may outlive the
program.

What the rows are is found out from what they can do, so that none of these packages need be installed.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from numbers import Real
from pathlib import Path
from typing import Any

from whet.data.read.class_names import with_class_names
from whet.errors import DataError
from whet.store.atomic import sha256_file, write_pieces
from whet.store.pruning import GIVEN

DIGITS = 12
"""Hexadecimal digits of the content in a file's name."""
MISSING = ("NAType", "NaTType")
"""Types by which pandas marks a cell without a value; they compare with nothing."""


def holds_rows(data: object) -> bool:
    """Whether this is rows and not the name of a file, the names of several, or a group of keys."""
    if isinstance(data, str | Path) or data is None:
        return False
    if isinstance(data, Mapping):
        return "data" not in data and (_are_columns(data) or _are_sets(data))
    if isinstance(data, list | tuple):
        return not data or not all(isinstance(one, str | Path) for one in data)
    return isinstance(data, Iterable) or hasattr(data, "to_pylist") or hasattr(data, "collect_schema")


def written(data: Any, root: Path | str, named: str = "data") -> str:
    """The path of a file with these rows, in the folder of runs; the same rows give the same file. `named` is what
    errors call them. Raises DataError with the row and the column; DiskFullError, RunFolderError."""
    lines = [_line(number, row, named) for number, row in enumerate(_rows(data, named), start=1)]
    if not lines:
        raise DataError("there are no rows", where=named, fix="give a list of dictionaries, one for each example")

    digest = hashlib.sha256()
    for line in lines:
        digest.update(line)

    path = Path(root) / GIVEN / f"rows-{digest.hexdigest()[:DIGITS]}.jsonl"
    if not path.is_file() or sha256_file(path) != digest.hexdigest():
        write_pieces(path, lines)
    return str(path)


def _rows(data: Any, named: str) -> Iterable[Any]:
    """Each row, in order. Raises DataError for what holds none, or several sets of them."""
    if isinstance(data, Mapping) and _are_sets(data):
        first = next(iter(data))
        fix = f"choose one, as in: {named}=sets[{first!r}]; rows to test on are given as: test=sets[...]"
        raise DataError("these are several sets of rows", where=named, value=sorted(map(str, data)), fix=fix)
    if isinstance(data, Mapping):
        return _from_columns(data, named)
    if hasattr(data, "itertuples"):
        return _from_pandas(data, named)

    if hasattr(data, "collect_schema") and not hasattr(data, "iter_rows"):  # polars, not read yet
        data = data.collect()
    if hasattr(data, "iter_rows"):
        return data.iter_rows(named=True)
    if hasattr(data, "to_pylist"):
        _refuse_twice(list(getattr(data, "column_names", ())), named)
        return data.to_pylist()
    if hasattr(data, "column_names"):
        return with_class_names(data)
    return data


def _are_sets(data: Mapping[Any, Any]) -> bool:
    """Parts under their names, as `datasets` gives them: each value is a set of rows."""
    return bool(data) and all(map(_is_set, data.values()))


def _is_set(value: Any) -> bool:
    if isinstance(value, list) and value:
        return all(isinstance(row, Mapping) for row in value)
    return hasattr(value, "column_names")


def _are_columns(data: Mapping[Any, Any]) -> bool:
    return bool(data) and all(isinstance(column, list | tuple) for column in data.values())


def _from_columns(data: Mapping[str, Any], named: str) -> list[dict[str, Any]]:
    lengths = {name: len(column) for name, column in data.items()}
    if len(set(lengths.values())) > 1:
        fix = "give each column one value a row"
        raise DataError("the columns have different lengths", where=named, value=lengths, fix=fix)
    return [dict(zip(data, values, strict=True)) for values in zip(*data.values(), strict=True)]


def _from_pandas(table: Any, named: str) -> Iterator[dict[str, Any]]:
    """An index with a name is a column; one without only numbers the rows. Whole numbers are whole, though pandas keeps
    them as 1.0 where one is missing: else a label would be another one in a table without gaps."""
    if any(name is not None for name in table.index.names):
        table = table.reset_index()
    columns = list(table.columns)
    _refuse_twice(columns, named)

    whole = {name for number, name in enumerate(columns) if _is_whole(table.iloc[:, number])}
    for values in table.itertuples(index=False, name=None):
        row = dict(zip(columns, values, strict=True))
        there = [name for name in whole if isinstance(row[name], Real) and not math.isnan(row[name])]
        yield row | {name: int(row[name]) for name in there}


def _is_whole(column: Any) -> bool:
    """Floats of pandas that are all whole, as far as a float tells whole numbers apart."""
    if getattr(column.dtype, "kind", "") != "f":
        return False
    present = column.dropna()
    return bool(len(present) and ((present % 1 == 0) & (present.abs() < 2**53)).all())


def _refuse_twice(columns: list[Any], named: str) -> None:
    """Raises DataError for columns with one name: a row can only have one of them."""
    twice = sorted({str(name) for name in columns if columns.count(name) > 1})
    if twice:
        raise DataError("columns with the same name", where=named, value=twice, fix="rename one of them")


def _line(number: int, row: Any, named: str) -> bytes:
    where = f"{named}, row {number}"
    if not isinstance(row, Mapping):
        what = f"a row must be a dictionary, and this is of type {_kind(row)}"
        fix = 'give dictionaries, as in: [{"prompt": "...", "completion": "..."}]'
        raise DataError(what, where=where, value=row, fix=fix)

    text = json.dumps(_plain(row, where, []), ensure_ascii=False)
    try:
        return f"{text}\n".encode()
    except UnicodeEncodeError as error:
        value = error.object[error.start : error.end]
        raise DataError("half of a character (a surrogate)", where=where, value=value, fix="remove it") from error


def _plain(value: Any, where: str, path: list[str]) -> Any:
    """In JSON's own types. What is missing is null; a date is a text. Raises DataError for what JSON cannot hold."""
    if hasattr(value, "dtype") and hasattr(value, "tolist"):  # numpy: a number or an array
        value = _of_numpy(value)
    if type(value).__name__ in MISSING:
        return None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return _finite(value, where, path)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                if not path:
                    what = "the name of a column must be a text"
                else:
                    what = "a key must be a text"
                raise DataError(what, where=_place(where, path), value=key, fix="rename it")
        return {str(key): _plain(one, where, [*path, key]) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one, where, [*path, str(number)]) for number, one in enumerate(value)]
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if hasattr(value, "to_list"):  # a cell of polars that holds a list
        return _plain(value.to_list(), where, path)

    fix = "write it as a text, a number, a list or a dictionary, or leave the column out"
    raise DataError(f"a value of type {_kind(value)} is no data", where=_place(where, path), value=value, fix=fix)


def _of_numpy(value: Any) -> Any:
    """Python's own; dates as texts, and spans of time as they are, for both would become bare numbers."""
    kind = getattr(value.dtype, "kind", "")
    if kind not in ("M", "m"):
        return value.tolist()
    if getattr(value, "ndim", 0):
        return list(value)
    if str(value) == "NaT":
        return None
    if kind == "M":
        return str(value)
    return value


def _finite(value: float, where: str, path: list[str]) -> float | None:
    if math.isinf(value):
        raise DataError("an infinite number is no data", where=_place(where, path), value=value, fix="leave it empty")
    return None if math.isnan(value) else float(value)


def _place(where: str, path: list[str]) -> str:
    if path:
        return f"{where}, column {path[0]!r}"
    return where


def _kind(value: Any) -> str:
    return type(value).__name__
