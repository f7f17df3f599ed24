"""CSV, TSV and Parquet to rows."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import IO, Any

from whet.data.bounds import largest_field, refuse_unpacked, too_large
from whet.errors import DataError

PARQUET_BATCH = 1024


def read_csv(file: IO[bytes], label: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a CSV with a header. The separator is a comma, or a semicolon where the header has only those."""
    return _read(file, label, ",;")


def read_tsv(file: IO[bytes], label: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a tab-separated file with a header."""
    return _read(file, label, "\t")


def _read(file: IO[bytes], label: str, separators: str) -> Iterator[tuple[str, dict[str, Any]]]:
    from whet.data.source import decoded_lines

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
        header = _header(next(reader, []), label)
        begin = reader.line_num + 1
        for fields in reader:
            where, begin = f"{label}:{begin}", reader.line_num + 1
            if not fields:
                continue
            if len(fields) != len(header):
                raise DataError(
                    f"{len(fields)} fields where the header has {len(header)}",
                    where=where,
                    value=fields,
                    fix=f"put fields that contain {separator!r}, a quote or a line break in double quotes",
                )
            yield where, dict(zip(header, fields, strict=True))
    except csv.Error as error:
        if "field limit" in str(error):
            what = f"a field is longer than {largest_field() >> 20} MB: is a double quote left open?"
            raise too_large(what, f"{label}:{begin}") from error
        raise DataError(
            f"not valid CSV: {error}", where=f"{label}:{reader.line_num}", fix="check the double quotes near this line"
        ) from error


def _header(names: list[str], label: str) -> list[str]:
    names = [name.strip() for name in names]
    if not any(names) or len(set(names)) < len(names) or "" in names:
        raise DataError(
            "the first line must name the columns, each once", where=f"{label}:1", value=names, fix="add a header line"
        )
    return names


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
