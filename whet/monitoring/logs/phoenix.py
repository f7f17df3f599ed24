"""Spans out of Phoenix, and annotations on them: rows of its data frame (columns with dots) or objects of its API, as
JSON or Parquet. A span of the kind LLM is a request; others are not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from whet.monitoring.logs.contents import openinference
from whet.monitoring.logs.contents.opinions import opinion
from whet.monitoring.logs.contents.spans import attributes_of, plain_span
from whet.monitoring.logs.contents.values import Record, first_name, record, records
from whet.monitoring.logs.form import read_counted
from whet.monitoring.logs.log_file import LogFile
from whet.monitoring.trace import Feedback, Trace

COLUMNS = ("attributes.openinference.span.kind", "span_kind", "spanKind")
Opinions = dict[str, list[Feedback]]


def knows(row: Record) -> bool:
    return _is_span(row) or _is_annotation(row)


def _is_span(row: Record) -> bool:
    if not row.keys() & {"start_time", "startTime"}:
        return False
    return any(key in row for key in COLUMNS) or openinference.kind_of(attributes_of(row.get("attributes"))) is not None


def _is_annotation(row: Record) -> bool:
    return "annotator_kind" in row and bool(row.keys() & {"span_id", "context.span_id"})


def _kind(row: Record) -> str | None:
    columns = first_name(*(row.get(key) for key in COLUMNS))
    return columns or openinference.kind_of(attributes_of(row.get("attributes")))


class PhoenixForm:
    name = "phoenix"
    title = "Phoenix's spans of OpenInference"

    def knows(self, record: Record) -> bool:
        return knows(record)

    def traces(self, log: LogFile) -> Iterator[Trace]:
        opinions: Opinions = defaultdict(list)
        for _, row in log.records():
            if _is_annotation(row):
                opinions[str(first_name(row.get("span_id"), row.get("context.span_id")))] += _opinion(row)
        for where, row in log.records():
            yield from read_counted(log, where, partial(_of_row, row, where, opinions))


def _of_row(row: Record, where: str, opinions: Opinions) -> Iterator[Trace]:
    if not _is_span(row) or _kind(row) != "LLM":
        return
    trace = openinference.trace_of(plain_span(row), where)
    inside = [feedback for note in records(row.get("annotations")) for feedback in _opinion(note)]
    yield replace(trace, feedback=(*opinions.get(trace.id, ()), *inside))


def _opinion(note: Record) -> list[Feedback]:
    """What a person said; nothing where a model or a program did."""
    if str(note.get("annotator_kind")).upper() != "HUMAN":
        return []
    result = record(note.get("result")) or note
    topic = first_name(note.get("annotation_name"), note.get("name"))
    by = first_name(note.get("user_id"), note.get("identifier"))
    feedback = opinion(
        topic, result.get("score"), result.get("label"), result.get("explanation"), by, note.get("created_at")
    )
    return [] if feedback is None else [feedback]


FORM = PhoenixForm()
