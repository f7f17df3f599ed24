"""Files, folders and Hub datasets to raw rows, each with a place that a person can find again.

Nothing is guessed about bytes: what is not valid UTF-8, JSON or CSV is refused with the file, the line and the column.
"""

from __future__ import annotations

import difflib
import gzip
import hashlib
import io
import json
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any

from whet.data.read import hub, tables
from whet.data.read import strict_json as strictjson
from whet.data.read.json_rows import rows_of
from whet.data.read.remarks import remark
from whet.data.read.sheets import read_xlsx
from whet.data.read.size_limits import lines_of, open_gzip
from whet.errors import DataError
from whet.recipe.file_formats import other_format, sheet_of

SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".xlsx", ".txt", ".md")
UTF16 = (b"\xff\xfe", b"\xfe\xff")
UTF32 = (b"\xff\xfe\0\0", b"\0\0\xfe\xff")
_NOT_DATA = re.compile(r"\.|~\$|readme|licen[cs]e|upstream-licen[cs]e|notice|changelog", re.IGNORECASE)
"""Files of a folder that are about the data, or that Excel lays beside an open one."""
BOM = b"\xef\xbb\xbf"


@dataclass(slots=True)
class RawRow:
    """A row as it is in the file. `where` is `tickets.jsonl:812`, or `tickets.json#812` where rows have no line."""

    index: int
    where: str
    value: dict[str, Any] | str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of JSON that nobody has read yet."""

    text: str
    label: str
    number: int

    def parsed(self) -> dict[str, Any] | str:
        """Raises DataError with file and line."""
        return strictjson.row(strictjson.parse(self.text, self.label, self.number), f"{self.label}:{self.number}")


Unread = tuple[int, str, "dict[str, Any] | str | Line"]
"""(index, where, value) of a row whose line may not have been parsed."""


def read_source(data: str | list[str]) -> Iterator[RawRow]:
    """Every row of every file, in order. Raises DataError with place, value and fix; also when there is no row."""
    return map(read_row, unread_source(data))


def unread_source(data: str | list[str]) -> Iterator[Unread]:
    """The same rows, where lines of JSON are left for `read_row`: another process may parse them, or nobody."""
    index = 0
    for name in _names(data):
        for where, value in _read(name):
            yield index, where, value
            index += 1


def read_row(unread: Unread) -> RawRow:
    """Raises DataError where the line is not JSON."""
    index, where, value = unread
    if isinstance(value, Line):
        value = value.parsed()
    return RawRow(index, where, value)


def read_text(path: Path, label: str) -> str:
    """A whole text file of any name. Raises DataError for one that is missing, empty, binary or not UTF-8."""
    with _os_errors(path, label), path.open("rb") as file:
        _refuse_binary(file, label)
        return _decoded(file, label)


def fingerprint(data: str | list[str]) -> str:
    """sha256 over the names' order and the bytes of all files: equal for equal data."""
    digest = hashlib.sha256()
    for name in _names(data):
        if hub.is_name(name):
            digest.update(hub.fingerprint(name).encode())
            continue

        for path, _ in _files(name):
            with _os_errors(path), path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        digest.update((sheet_of(name)[1] or "").encode())

    return digest.hexdigest()


def labels(data: str | list[str]) -> list[str]:
    """What messages call the files, in their order."""
    found = []
    for name in _names(data):
        if hub.is_name(name):
            found.append(name)
        else:
            found += [label for _, label in _files(name)]
    return found


def _names(data: str | list[str]) -> list[str]:
    if isinstance(data, str):
        return [data]
    return data


def _read(name: str) -> Iterator[tuple[str, Any]]:
    if hub.is_name(name):
        yield from hub.rows(name)
        return

    for path, label in _files(name):
        empty = True
        for row in _read_file(path, label, sheet_of(name)[1]):
            empty = False
            yield row

        if empty:
            raise DataError("the file holds no rows", where=label, fix="point at a file with one example a line")


def _files(name: str) -> list[tuple[Path, str]]:
    """The files behind a name, each with the label that messages use."""
    if not name.strip():
        raise DataError("the name of a data file is empty", value=name, fix="give the path of a file or of a folder")

    path, sheet = sheet_of(name)
    if path.is_dir():
        inner = sorted(p for p in path.rglob("*") if p.is_file() and _kind(p) and not _NOT_DATA.match(p.name))
        if not inner:
            fix = "point at a file, or at the folder that holds the files"
            raise DataError(f"no data files in this folder; looked for {', '.join(SUFFIXES)}", where=name, fix=fix)

        return [(p, str(p.relative_to(path))) for p in inner]
    if not path.exists():
        raise DataError("no such file" + _similar(path), where=name, fix="check the path")
    if not path.is_file():
        raise DataError("this is not a file that can be read twice", where=name, fix="write the rows to a file first")
    if not _kind(path):
        raise DataError(
            f"cannot tell the format from the name; known are {', '.join(SUFFIXES)} (and .gz of these)",
            where=name,
            fix=other_format(path.suffix) or "rename the file, for example to .jsonl",
        )

    if sheet is None:
        return [(path, path.name)]
    return [(path, f"{path.name}#{sheet}")]


def _kind(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    if suffixes and suffixes[-1] in SUFFIXES:
        return suffixes[-1]
    return ""


def _similar(path: Path) -> str:
    try:
        names = [p.name for p in path.parent.iterdir()]
    except OSError:
        return f"; the folder {str(path.parent)!r} does not exist either"
    match = difflib.get_close_matches(path.name, names, n=1)
    if match:
        return f"; did you mean {str(path.parent / match[0])!r}?"
    return ""


def _read_file(path: Path, label: str, sheet: str | None = None) -> Iterator[tuple[str, Any]]:
    readers: dict[str, Callable[[IO[bytes], str], Iterator[tuple[str, Any]]]] = {
        ".jsonl": _json_lines,
        ".ndjson": _json_lines,
        ".json": _json,
        ".csv": tables.read_csv,
        ".tsv": tables.read_tsv,
        ".parquet": tables.read_parquet,
        ".xlsx": partial(read_xlsx, sheet=sheet),
        ".txt": _text,
        ".md": _text,
    }
    kind = _kind(path)
    with _os_errors(path, label), _open(path, label) as file:
        if kind not in (".parquet", ".xlsx"):
            _refuse_binary(file, label)
        yield from readers[kind](file, label)


def _open(path: Path, label: str) -> IO[bytes]:
    file = path.open("rb")
    if path.suffix.lower() == ".gz":
        return open_gzip(file, path, label)
    return file


@contextmanager
def _os_errors(path: Path, label: str = "") -> Iterator[None]:
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"the gzip file is damaged: {error}", where=label, fix="compress it again") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"cannot read the file: {reason}", where=str(path), fix="check its permissions") from error


def _refuse_binary(file: Any, label: str) -> None:
    head = file.peek(8192)[:8192]
    if not head:
        raise DataError("the file is empty", where=label, fix="point at a file with one example a line")

    encoding = _wide_encoding(head)
    if encoding:
        fix = f"save it as UTF-8 (iconv -f {encoding} -t UTF-8)"
        raise DataError(f"the file is {encoding[:6]}", where=label, fix=fix)
    if b"\0" in head:
        raise DataError(
            "the file is binary, not text", where=label, value=head[:16], fix=f"use one of {', '.join(SUFFIXES)}"
        )


def _wide_encoding(head: bytes) -> str:
    """UTF-16 or UTF-32 (as iconv calls it), from the mark or from where the zeros of plain letters are; else ''."""
    if head.startswith(UTF32):
        return "UTF-32"
    if head.startswith(UTF16):
        return "UTF-16"
    zeros = tuple(byte == 0 for byte in head[:4])
    by_zeros: dict[tuple[bool, ...], str] = {
        (False, True, False, True): "UTF-16LE",
        (True, False, True, False): "UTF-16BE",
        (False, True, True, True): "UTF-32LE",
        (True, True, True, False): "UTF-32BE",
    }

    return by_zeros.get(zeros, "")


def _json_lines(file: IO[bytes], label: str) -> Iterator[tuple[str, Any]]:
    if _is_one_value(file):
        remark(f"{label}: this is one JSON value, not a row a line, and is read as such")
        yield from _json(file, label)
        return
    for number, line in decoded_lines(file, label):
        if line.strip():
            yield f"{label}:{number}", Line(line.rstrip("\r\n"), label, number)


def _json(file: IO[bytes], label: str) -> Iterator[tuple[str, Any]]:
    text = _decoded(file, label)
    if _is_json_lines(text):
        yield from _json_lines(io.BytesIO(text.encode("utf-8")), label)
        return
    for number, item in enumerate(rows_of(strictjson.parse(text, label, 1), label), start=1):
        yield f"{label}#{number}", strictjson.row(item, f"{label}#{number}")


def _is_one_value(file: Any) -> bool:
    """A list of rows, or an object over several lines, under the name of JSON Lines: its first line is no object."""
    if isinstance(file, io.BytesIO):
        return False  # a .json file, whose lines were looked at
    first = file.peek(8192)[:8192].removeprefix(BOM).lstrip()
    return bool(re.match(rb"\[\s*\{|\[[ \t\r]*\n|\{[ \t\r]*\n", first))


def _is_json_lines(text: str) -> bool:
    """True when the first two lines with words are each a whole JSON object: JSON Lines under the name .json."""
    first = list(islice((line for line in io.StringIO(text) if line.strip()), 2))
    try:
        return len(first) == 2 and all(isinstance(json.loads(line), dict) for line in first)
    except ValueError:
        return False


def _text(file: IO[bytes], label: str) -> Iterator[tuple[str, Any]]:
    text = _decoded(file, label).replace("\r\n", "\n")
    if text.strip():
        yield label, text


def decoded_lines(file: IO[bytes], label: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers from 1, line ends kept, without a byte order mark. Raises DataError at a bad byte, and
    for a line that is too long (whet/data/read/size_limits.py)."""
    offset = 0
    for number, line in enumerate(lines_of(file, label), start=1):
        try:
            text = (line.removeprefix(BOM) if number == 1 else line).decode("utf-8")
        except UnicodeDecodeError:
            raise _bad_byte(line, offset, label, number) from None

        if "\0" in text:
            raise _zero_byte(line, offset, label, number)
        yield number, text
        offset += len(line)


def _decoded(file: IO[bytes], label: str) -> str:
    """The whole file as one text, without a byte order mark. Raises DataError at a bad byte."""
    data = file.read()
    try:
        text = data.removeprefix(BOM).decode("utf-8")
    except UnicodeDecodeError:
        raise _bad_byte(data, 0, label, 1) from None

    if "\0" in text:
        raise _zero_byte(data, 0, label, 1)
    return text


def _zero_byte(data: bytes, offset: int, label: str, first_line: int) -> DataError:
    """A zero byte is valid UTF-8, but in a text it is the trace of a damaged disk or a broken copy."""
    at = data.index(b"\0")
    return DataError(
        f"byte {offset + at} is zero: the file is damaged, or not a text",
        where=f"{label}:{first_line + data.count(10, 0, at)}",
        value=data[max(0, at - 20) : at + 4],
        fix="copy or write the file again",
    )


def _bad_byte(data: bytes, offset: int, label: str, first_line: int) -> DataError:
    """What is wrong with bytes that begin `offset` bytes into the file, on line `first_line`."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return DataError(
            f"byte {offset + error.start} is not valid UTF-8",
            where=f"{label}:{first_line + data.count(10, 0, error.start)}",
            value=data[max(0, error.start - 20) : error.start + 4],
            fix="save the file as UTF-8 (iconv -f LATIN1 -t UTF-8, if it is Latin-1)",
        )

    raise AssertionError("the bytes are valid after all")
