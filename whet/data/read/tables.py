"""CSV, TSV and Parquet to rows."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from typing import IO, Any

from whet.data.read.remarks import remark
from whet.data.read.size_limits import largest_field, refuse_unpacked, too_large
from whet.errors import DataError

PARQUET_BATCH = 1024


def read_csv(file: IO[bytes], label: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a CSV with a header. The separator is a comma, or a semicolon where the header has only those."""
    return _read(file, label, ",;")


def read_tsv(file: IO[bytes], label: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a tab-separated file with a header."""
    return _read(file, label, "\t")


def _read(file: IO[bytes], label: str, separators: str) -> Iterator[tuple[str, dict[str, Any]]]:
    from whet.data.read.source import decoded_lines

    csv.field_size_limit(largest_field())
    lines = (line for _, line in decoded_lines(file, label))
    first = next(lines, "")
    separator = next((mark for mark in separators if mark in first), separators[0])

    def all_lines() -> Iterator[str]:
        yield first
        yield from lines

    reader = csv.reader(all_lines(), delimiter=separator, strict=True)
    begin = 1

    try:
        names = next(reader, [])
        if len(names) > 1 and not names[0].strip():
            index = _Index(label)
        else:
            index = None

        header = _header(names[1:] if index else names, label)
        begin = reader.line_num + 1
        for fields in reader:
            where, begin = f"{label}:{begin}", reader.line_num + 1
            if not fields:
                continue
            if len(fields) != len(names):
                raise DataError(
                    f"{len(fields)} fields where the header has {len(names)}",
                    where=where,
                    value=fields,
                    fix=f"put fields that contain {separator!r}, a quote or a line break in double quotes",
                )

            if index:
                index.see(fields.pop(0), where)
            yield where, _named(header, fields, where, 2 if index else 1)
    except csv.Error as error:
        if "field limit" in str(error):
            what = f"a field is longer than {largest_field() >> 20} MB: is a double quote left open?"
            raise too_large(what, f"{label}:{begin}") from error

        raise DataError(
            f"not valid CSV: {error}", where=f"{label}:{reader.line_num}", fix="check the double quotes near this line"
        ) from error


class _Index:
    """The first column of a table without a name: the row numbers that pandas writes, which say nothing of the rows. It
    is left out where it holds a different whole number in each row, and refused where it may be something else."""

    def __init__(self, label: str) -> None:
        self._seen: set[int] = set()
        remark(f"{label}: the first column has no name and numbers the rows, as pandas writes it; it is not read")

    def see(self, value: str, where: str) -> None:
        """Raises DataError for a number that occurs twice, or for something else."""
        if re.fullmatch(r"\s*[0-9]{1,12}\s*", value):
            number = int(value)
        else:
            number = None

        if number is None or number in self._seen:
            raise DataError(
                "the first column has no name, and does not number the rows",
                where=where,
                value=value,
                fix="name it in the first line, or leave it out (pandas: to_csv(..., index=False))",
            )

        self._seen.add(number)


def _header(names: list[str], label: str) -> list[str]:
    """The names of the columns; empty for one that may only be empty."""
    names = [name.strip() for name in names]
    where = f"{label}:1"

    if names and names[0].lower().startswith("sep="):
        what, fix = "the first line is Excel's note on the separator and names no columns", "remove this line"
        raise DataError(what, where=where, value=names[0], fix=fix)
    if not any(names):
        raise DataError("the first line must name the columns", where=where, value=names, fix="add a header line")

    twice = next((name for number, name in enumerate(names) if name and name in names[:number]), None)
    if twice:
        what, fix = "the first line must name the columns, each once", f"rename one of the columns {twice!r}"
        raise DataError(what, where=where, value=names, fix=fix)

    return names


def _named(header: list[str], fields: list[str], where: str, first: int) -> dict[str, str]:
    """A row. A column without a name was left behind by a spreadsheet. Raises DataError where it holds something."""
    if "" not in header:
        return dict(zip(header, fields, strict=True))
    for number, (name, value) in enumerate(zip(header, fields, strict=True), start=first):
        if not name and value.strip():
            fix = "name it in the first line, or remove the column"
            raise DataError(f"column {number} has no name and is not empty", where=where, value=value, fix=fix)
    return {name: value for name, value in zip(header, fields, strict=True) if name}


def read_parquet(file: IO[bytes], label: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a Parquet file, a thousand at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        opened = pq.ParquetFile(file)
        groups = range(opened.metadata.num_row_groups)
        refuse_unpacked(sum(opened.metadata.row_group(n).total_byte_size for n in groups), file.seek(0, 2), label)

        for batch in opened.iter_batches(batch_size=PARQUET_BATCH):
            for value in batch.to_pylist():
                number += 1
                yield f"{label}#{number}", value
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"not a readable Parquet file: {error}", where=label, fix="write the file again") from error
