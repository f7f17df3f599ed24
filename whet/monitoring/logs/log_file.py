"""A log as a file: plain or gzip; JSON a line, one JSON value, Parquet, or the text of a server. What cannot be read is
counted, and the first of it is kept."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any

from whet.data.read.size_limits import lines_of, open_gzip, refuse_unpacked, too_large, unbounded
from whet.errors import DataError, count
from whet.monitoring.logs.contents.json_text import Unreadable, parsed
from whet.monitoring.logs.contents.values import Record

MOST_UNREAD = 0.1
"""Share of the records that may be unreadable."""
LARGEST_VALUE = 1 << 30
"""Bytes of a file that is one JSON value, which must be held whole."""
ENVELOPES = ("data", "spans", "traces", "observations", "records", "rows", "logs", "items", "generations")
"""Names under which exports hold their records."""
BATCH = 256
"""Rows of a Parquet file that are held at a time."""
CONTROLS = bytes(code for code in range(32) if chr(code) not in "\t\n\f\r\x1b")
"""Bytes that no text has; ESC begins a colour, which servers write."""
BOM = b"\xef\xbb\xbf"


class LogFile:
    """A log that can be read again and again; each reading counts anew.

    `seen` counts the records, or the lines that should hold one; `unread` those of them that cannot be read,
    `first_unread` says where the first is and why."""

    def __init__(self, path: Path) -> None:
        """Raises DataError for what is no file, or an empty one."""
        self.path, self.label = path, path.name
        self.belongs: Callable[[Record, str], bool] = lambda record, where: True
        """Whether a record is one of the file's form; raises DataError for one of another form."""
        self._start()
        _refuse_no_file(path)
        with self.opened() as file:
            head = file.read(8192)
        _refuse_other_bytes(head, self.label)
        self.parquet = head.startswith(b"PAR1")
        self.one_value = not self.parquet and self._is_one_value()

    def _start(self) -> None:
        self.seen = self.unread = self._cut = 0
        self.first_unread = ""

    def skip(self, where: str, why: str) -> None:
        """Count a record that cannot be read."""
        self.unread += 1
        self.first_unread = self.first_unread or f"{where}: {why}"

    def refuse_unread(self) -> None:
        """Raises DataError where more than a tenth of the records cannot be read. A last line that nobody has finished
        writing does not count."""
        seen, unread = self.seen - self._cut, self.unread - self._cut
        if unread > MOST_UNREAD * seen:
            what = f"{unread:,} of {count(seen, 'record')} cannot be read; the first: {self.first_unread}"
            raise DataError(what, where=self.label, fix="export the log again, or remove these lines")

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """The bytes of the log, unpacked. Raises DataError where the file cannot be read."""
        try:
            with self.path.open("rb") as file:
                packed = file.read(2) == b"\x1f\x8b"
                file.seek(0)
                yield open_gzip(file, self.path, self.label) if packed else file
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DataError(f"the gzip file is damaged: {error}", where=self.label, fix="compress it again") from error
        except OSError as error:
            reason = error.strerror or str(error)
            raise DataError(f"cannot read the file: {reason}", where=str(self.path), fix="check its rights") from error

    def text_lines(self) -> Iterator[tuple[str, str]]:
        """Where each line stands, and its words; of a text that a server wrote. Nothing is counted: the reader knows
        which lines should hold something."""
        self._start()
        with self.opened() as file:
            for number, line in enumerate(lines_of(file, self.label), start=1):
                yield f"{self.label}:{number}", _plain(line, number).decode("utf-8", "replace").rstrip("\r\n")

    def records(self) -> Iterator[tuple[str, Record]]:
        """Where each record stands, and the record. Raises DataError at one of another form."""
        self._start()
        for where, value in self._values():
            for place, item in self._apart(where, value):
                self.seen += 1
                if self.belongs(item, place):
                    yield place, item
                else:
                    self.skip(place, "not a record of this form")

    def first_values(self, most: int) -> Iterator[tuple[str, Any]]:
        """The first records, or texts where a line is no JSON: to tell the form from."""
        self._start()
        if self.parquet or self.one_value:
            yield from islice(self._values(), most)
            return
        for where, text in islice(self.text_lines(), most):
            if text.strip():
                try:
                    yield where, parsed(text)
                except Unreadable:
                    yield where, text

    def taken_apart(self, where: str, value: Any, known: Callable[[Record], object]) -> Iterator[tuple[str, Any]]:
        """A list of records, or an object that is unknown and holds one, taken apart; anything else as it is."""
        if isinstance(value, dict):
            held = next((value[key] for key in ENVELOPES if _are_records(value.get(key))), None)
            if held is not None and not known(value):
                value = held
        if not _are_records(value):
            yield where, value
            return
        for position, item in enumerate(value, start=1):
            yield f"{where}#{position}", item

    def _apart(self, where: str, value: Any) -> Iterator[tuple[str, Record]]:
        for place, item in self.taken_apart(where, value, lambda record: self.belongs(record, where)):
            if isinstance(item, dict):
                yield place, item
            else:
                self.seen += 1
                self.skip(place, "a JSON value that is no object")

    def _values(self) -> Iterator[tuple[str, Any]]:
        if self.parquet:
            yield from self._parquet_rows()
        elif self.one_value:
            yield self.label, self._whole_value()
        else:
            yield from self._json_lines()

    def _json_lines(self) -> Iterator[tuple[str, Any]]:
        with self.opened() as file:
            for number, line in enumerate(lines_of(file, self.label), start=1):
                where, ended, plain = f"{self.label}:{number}", line.endswith(b"\n"), _plain(line, number)
                if not plain:
                    continue
                try:
                    value = parsed(plain.decode("utf-8"))
                except UnicodeDecodeError:
                    why = "not UTF-8"
                except Unreadable as error:
                    why = str(error)
                else:
                    yield where, value
                    continue
                self.seen += 1
                self._cut += not ended
                self.skip(where, why)

    def _whole_value(self) -> Any:
        with self.opened() as file:
            text = file.read(LARGEST_VALUE + 1)
        if len(text) > LARGEST_VALUE and not unbounded():
            raise too_large(f"one JSON value of more than {LARGEST_VALUE >> 30} GB", self.label, text[:40])
        try:
            return parsed(_plain(text, 1).decode("utf-8"))
        except (UnicodeDecodeError, Unreadable) as error:
            fix = "export it again, or write one record a line"
            raise DataError(f"one JSON value that cannot be read: {error}", where=self.label, fix=fix) from error

    def _parquet_rows(self) -> Iterator[tuple[str, Record]]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        row = 0
        with self.opened() as file:
            try:
                table = pq.ParquetFile(file)
                groups = range(table.metadata.num_row_groups)
                unpacked = sum(table.metadata.row_group(group).total_byte_size for group in groups)
                refuse_unpacked(unpacked, self.path.stat().st_size, self.label)
                for batch in table.iter_batches(batch_size=BATCH):
                    for record in _microseconds(batch).to_pylist():
                        row += 1
                        yield f"{self.label}#{row}", record
            except pa.ArrowException as error:
                what = f"not a readable Parquet file: {error}"
                raise DataError(what, where=self.label, fix="write the file again") from error

    def _is_one_value(self) -> bool:
        """Its first line is the beginning of a JSON value that goes on, and the second is no record of its own."""
        with self.opened() as file:
            lines = (_plain(line, number) for number, line in enumerate(lines_of(file, self.label), start=1))
            first = list(islice((line for line in lines if line), 2))
        begins = first and first[0][:1] in (b"{", b"[")
        return bool(begins) and not any(_is_record(line) for line in first)


def _is_record(line: bytes) -> bool:
    try:
        return isinstance(parsed(line.decode("utf-8")), dict | list)
    except (UnicodeDecodeError, Unreadable):
        return False


def _are_records(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _plain(line: bytes, number: int) -> bytes:
    """Without a byte order mark, ends of lines, and the zeros that a file system leaves where a write was lost."""
    if number == 1:
        line = line.removeprefix(BOM)
    return line.strip(b"\0 \t\r\n")


def _microseconds(batch: Any) -> Any:
    """Python's times have no nanoseconds: what is finer is cut."""
    import pyarrow as pa

    for position, column in enumerate(batch.schema):
        if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
            times = batch.column(position).cast(pa.timestamp("us", tz=column.type.tz), safe=False)
            batch = batch.set_column(position, column.name, times)
    return batch


def _refuse_no_file(path: Path) -> None:
    if path.is_dir():
        fix = "name one file of it; join several with: cat FOLDER/*.jsonl > log.jsonl"
        raise DataError("a log is one file, and this is a folder", where=str(path), fix=fix)
    if not path.exists():
        raise DataError("there is no such file", where=str(path), fix="give the path of a log")
    if not path.is_file():
        raise DataError("not a file that can be read twice", where=str(path), fix="write it to a file first")


def _refuse_other_bytes(head: bytes, label: str) -> None:
    if not head.strip(b"\0 \t\r\n" + BOM):
        raise DataError("the file is empty", where=label, fix="give a log with at least one request")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError("the file is UTF-16", where=label, fix="save it as UTF-8 (iconv -f UTF-16 -t UTF-8)")
    if head.startswith(b"PAR1"):
        return

    words = head.replace(b"\0" * 8, b"")  # long runs of zeros are where a write was lost
    controls = len(words) - len(words.translate(None, CONTROLS))
    if controls > len(words) / 100 or re.match(rb"PK\x03\x04|\x28\xb5\x2f\xfd|BZh|\xfd7zXZ", head):
        fix = "unpack it, or export it as JSON Lines"
        raise DataError("the file is binary, not the text of a log", where=label, value=head[:16], fix=fix)
