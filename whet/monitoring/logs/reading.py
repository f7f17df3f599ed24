"""A log that another server wrote, or Whet itself, as traces. Which format it is, its content tells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whet.errors import DataError
from whet.monitoring.logs import langfuse, litellm, openai_pairs, otel, phoenix, vllm
from whet.monitoring.logs import whet as own
from whet.monitoring.logs.contents.values import Record
from whet.monitoring.logs.form import Form
from whet.monitoring.logs.log_file import LogFile
from whet.monitoring.trace import Trace

FORMS: tuple[Form, ...] = (
    own.FORM,
    otel.FORM,
    litellm.FORM,
    phoenix.FORM,
    langfuse.FORM,
    vllm.FORM,
    openai_pairs.FORM,
)
"""In the order in which they are asked: the first that knows a record has it."""
LOOKED_AT = 20_000
"""Lines in which the first of a known format is looked for: a server writes many before its first request."""


@dataclass(frozen=True)
class ReadLog:
    """All of a log. Traces are in the order of time where each has one, else in that of the file."""

    traces: list[Trace]
    form: str
    """The name of the format that was found."""
    unread: int
    """Records that could not be read."""
    first_unread: str
    """Where the first of them is, and why; empty without any."""


class LogStream:
    """A log, one trace after another, in the order of the file: memory stays bounded however large it is, but for a
    file that is one JSON value.

    `unread` and `first_unread` are of what was read until now. Iterating raises DataError for a file of several
    formats at the first record of another one; for one without a request, or of which more than a tenth cannot be read,
    at the end."""

    def __init__(self, path: Path) -> None:
        """Raises DataError for what is no file, is empty, binary or damaged, or of no known format."""
        self._log = LogFile(path)
        self._form = _form_of_file(self._log)
        self._log.belongs = self._belongs

    @property
    def form(self) -> str:
        return self._form.name

    @property
    def unread(self) -> int:
        return self._log.unread

    @property
    def first_unread(self) -> str:
        return self._log.first_unread

    def __iter__(self) -> Iterator[Trace]:
        empty = True
        for trace in self._form.traces(self._log):
            empty = False
            yield trace
        self._log.refuse_unread()
        if empty:
            what = f"the log is {self._form.title}, and holds no request to a language model"
            raise DataError(what, where=self._log.label, fix="export the requests with their answers")

    def _belongs(self, record: Record, where: str) -> bool:
        known = form_of(record)
        if known is None or known is self._form:
            return known is not None
        what = f"a record of another format ({known.name}) in a log of the format {self._form.name}"
        raise DataError(what, where=where, value=sorted(record), fix="give each format a file of its own")


def read_log(path: Path) -> ReadLog:
    """All traces of a log (JSON Lines, one JSON value, Parquet, or the text of vLLM; any of them as gzip). Raises
    DataError as LogStream does."""
    stream = LogStream(path)
    traces = list(stream)
    if all(trace.at is not None for trace in traces):
        traces.sort(key=lambda trace: trace.at or 0.0)
    return ReadLog(traces, stream.form, stream.unread, stream.first_unread)


def form_of(record: Record) -> Form | None:
    """The format of a record, by its keys."""
    return next((form for form in FORMS if form.knows(record)), None)


def _form_of_file(log: LogFile) -> Form:
    """Raises DataError where no record of a known format is found."""
    first: tuple[str, Any] | None = None
    for where, value in log.first_values(LOOKED_AT):
        for place, item in log.taken_apart(where, value, form_of):
            form = form_of(item) if isinstance(item, dict) else None
            if isinstance(item, str) and vllm.is_line(item):
                form = vllm.FORM
            if form is not None:
                return form
            first = first or (place, item)
    raise _unknown(log.label, first)


def _unknown(label: str, first: tuple[str, Any] | None) -> DataError:
    known = "; ".join(f"{form.title} ({form.name})" for form in FORMS)
    place, item = first or (label, None)
    held = sorted(item) if isinstance(item, dict) else item
    kind = "an object with keys" if isinstance(item, dict) else "text"
    what = f"the log is of no format that is read: its first record is {kind}" if first else "the log holds no record"
    return DataError(what, where=place, value=held, fix=f"export it as one of: {known}")
