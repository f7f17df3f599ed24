"""How much of a file may be one line, or come out of a small gzip file. What is far more than any text is a damaged
file or a trap, and would fill the memory before anybody could say so."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from whet.errors import DataError

LARGEST_LINE = 1 << 26
"""Bytes of one line, or of one field of a table: 64 MB, some 20 long novels."""
LARGEST_RATIO = 200
"""Bytes that one byte of a gzip file may stand for, beyond SMALL. Text comes to 3 to 20; a file of zeros to 1,030."""
SMALL = 1 << 26
ANY_SIZE = "WHET_ANY_SIZE"
"""Environment variable that lifts all of these."""


def unbounded() -> bool:
    return os.environ.get(ANY_SIZE, "") not in ("", "0")


def lines_of(file: IO[bytes], label: str) -> Iterator[bytes]:
    """Lines with their ends. Raises DataError for one that is too long, before all of it is read."""
    most = -1 if unbounded() else LARGEST_LINE
    number = 1
    while line := file.readline(most):
        if len(line) == most and not line.endswith(b"\n"):
            raise too_large(f"the line is longer than {LARGEST_LINE >> 20} MB", f"{label}:{number}", line[:40])
        yield line
        number += 1


def largest_field() -> int:
    """For the reader of tables."""
    if unbounded():
        return (1 << 31) - 1
    return LARGEST_LINE


def open_gzip(file: IO[bytes], path: Path, label: str) -> io.BufferedReader:
    """What a gzip file holds; reading raises DataError once it is far more than the file can hold of text."""
    if unbounded():
        most = None
    else:
        most = SMALL + LARGEST_RATIO * path.stat().st_size
    return io.BufferedReader(_Unpacked(file, most, label))


def refuse_unpacked(unpacked: int, packed: int, label: str) -> None:
    """Raises DataError for a Parquet file whose own words say that far more comes out of it than text would be."""
    if not unbounded() and unpacked > SMALL + LARGEST_RATIO * packed:
        what = f"{unpacked >> 20} MB would come out of this file, over {LARGEST_RATIO} times its size"
        raise too_large(what, label)


def too_large(what: str, where: str, value: object = None) -> DataError:
    fix = f"is it the right file? If all of it is data: {ANY_SIZE}=1 whet ..."
    return DataError(what, where=where, value=value, fix=fix)


class _Unpacked(io.RawIOBase):
    """A gzip file that counts what comes out of it."""

    def __init__(self, file: IO[bytes], most: int | None, label: str) -> None:
        self.file, self.most, self.label, self.size = gzip.GzipFile(fileobj=file), most, label, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def readinto(self, buffer: bytearray | memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        read = self.file.readinto(buffer)
        self.size += read
        if self.most is not None and self.size > self.most:
            what = f"more than {self.size >> 20} MB come out of this gzip file, over {LARGEST_RATIO} times its size"
            raise too_large(what, self.label)
        return read
