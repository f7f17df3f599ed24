"""`--fix`: the data without its faults as a new file, and what was changed as a diff. The data itself stays."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from whet.data.read.source import Line, Unread, labels, read_row, unread_source
from whet.data.rows import rankings
from whet.data.rows.row_format import RowFormat
from whet.doctor.check import Check
from whet.errors import DataError, DiskFullError, InputError, RunFolderError
from whet.recipe.schema import Recipe
from whet.store.atomic import write_pieces

ELSEWHERE = "name another file with --fix, in a folder that you may write to and that has room"


@dataclass(slots=True)
class Repair:
    """What was done to the rows of a file; the counts are rows, by the code of the check."""

    out: str
    diff: str
    rows_in: int = 0
    rows_out: int = 0
    mended: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)


def diff_of(out: Path) -> Path:
    return out.with_suffix(".diff")


def refuse_target(out: Path) -> None:
    """Before anything is read. Raises InputError for a name that cannot be read again, a file that is there, or a
    folder that cannot be written."""
    if out.suffix.lower() != ".jsonl":
        raise InputError("the repaired rows are written as JSON lines", value=str(out), fix="name a .jsonl file")

    for path in (out, diff_of(out)):
        if path.exists():
            fix = "name a new file, or move this one away"
            raise InputError("this file is there already, and --fix never writes over one", where=str(path), fix=fix)

    folder = next(path for path in out.absolute().parents if path.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        if folder.is_dir():
            reason = "you may not write there"
        else:
            reason = "it is a file, not a folder"
        raise InputError(f"--fix cannot write to this folder: {reason}", where=str(folder), fix=ELSEWHERE)


def repair(
    recipe: Recipe, shape: RowFormat, checks: list[Check], out: Path, progress: Callable[[int], None] | None = None
) -> Repair:
    """Writes `out` and its diff, from checks that have seen all rows. Raises InputError, DataError."""
    refuse_target(out)
    left_out = {check.code: set(check.drops()) for check in checks}

    done = Repair(str(out), str(diff_of(out)))
    with tempfile.TemporaryFile() as diff:
        diff.write(f"--- {', '.join(labels(recipe.data))}\n+++ {out.name}\n".encode())
        with _writing():
            write_pieces(out, _pieces(_numbered(recipe, shape), checks, left_out, done, diff, progress))
            diff.seek(0)
            write_pieces(diff_of(out), diff)

    return done


@contextmanager
def _writing() -> Iterator[None]:
    """What cannot be written here is not mended by another folder of runs."""
    try:
        yield
    except (RunFolderError, DiskFullError) as error:
        raise type(error)(error.what, where=error.where, value=error.value, fix=ELSEWHERE) from error


def _numbered(recipe: Recipe, shape: RowFormat) -> Iterator[tuple[range, Unread]]:
    """Every row with the indices that checks know it by: a ranking is as many rows as it has pairs."""
    index = 0
    for unread in unread_source(recipe.data):
        if shape.kind == "ranking":
            count = rankings.count(read_row(unread).value, shape)
        else:
            count = 1

        yield range(index, index + count), unread
        index += count


def _pieces(
    rows: Iterable[tuple[range, Unread]],
    checks: list[Check],
    left_out: dict[str, set[int]],
    done: Repair,
    diff: IO[bytes],
    progress: Callable[[int], None] | None,
) -> Iterator[bytes]:
    for indices, unread in rows:
        done.rows_in += 1
        if progress and done.rows_in % 256 == 0:
            progress(done.rows_in)

        value = unread[2]
        codes = [code for code, dropped in left_out.items() if dropped.issuperset(indices)]
        if codes:
            _count(done.left_out, codes)
            diff.write(f"@@ -{done.rows_in} +{done.rows_out},0 @@ {', '.join(codes)}\n-{_line(value)}\n".encode())
            continue

        mended, codes = _mended(read_row(unread).value, checks)
        done.rows_out += 1
        line = _line(mended if codes else value)

        if codes:
            _count(done.mended, codes)
            head = f"@@ -{done.rows_in} +{done.rows_out} @@ {', '.join(codes)}"
            diff.write(f"{head}\n-{_line(value)}\n+{line}\n".encode())
        yield f"{line}\n".encode()

    if not done.rows_out:
        raise DataError("no row would be left", where=done.out, fix="choose fewer checks with --only or --skip")


def _count(rows: dict[str, int], codes: list[str]) -> None:
    for code in codes:
        rows[code] = rows.get(code, 0) + 1


def _line(value: Any) -> str:
    """A row as one line; one that was a line of JSON stays as it was."""
    if isinstance(value, Line):
        return value.text.strip()
    try:
        return json.dumps(value, ensure_ascii=False)
    except TypeError as error:
        fix = "write the columns as text, numbers or lists first"
        raise DataError(f"this row cannot be written as JSON: {error}", value=value, fix=fix) from error


def _mended(value: Any, checks: list[Check]) -> tuple[Any, list[str]]:
    codes = []
    for check in checks:
        new = each_text(value, check.fix)
        if new != value:
            codes.append(check.code)
            value = new
    return value, codes


def each_text(value: Any, change: Callable[[str], str]) -> Any:
    """The value with every text in it changed; names of columns and fields stay."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {name: each_text(inner, change) for name, inner in value.items()}
    if isinstance(value, list):
        return [each_text(inner, change) for inner in value]
    return value
