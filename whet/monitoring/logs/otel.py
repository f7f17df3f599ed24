"""Spans of OpenTelemetry about requests to models: OTLP as JSON, a request a line, as the collector's file exporter
writes it; and the objects of the SDKs' console exporters. Events that are log records join their span, in whichever
order both come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from whet.monitoring.logs.contents import genai, openinference
from whet.monitoring.logs.contents.spans import Span, SpanEvent, otlp_events, otlp_spans, plain_span
from whet.monitoring.logs.contents.values import Record
from whet.monitoring.logs.form import read_counted
from whet.monitoring.logs.log_file import LogFile
from whet.monitoring.logs.waiting import Waiting
from whet.monitoring.trace import Trace

OTLP = {"resourceSpans", "resource_spans", "resourceLogs", "resource_logs", "resourceMetrics", "resource_metrics"}


@dataclass(slots=True)
class Part:
    """A span, or events whose span has not come yet."""

    where: str
    span: Span
    events: list[SpanEvent]


class OtelForm:
    name = "otel"
    title = "OpenTelemetry's GenAI spans, as OTLP JSON"

    def knows(self, record: Record) -> bool:
        return bool(record.keys() & OTLP) or (isinstance(record.get("context"), dict) and "resource" in record)

    def traces(self, log: LogFile) -> Iterator[Trace]:
        waiting: Waiting[Part] = Waiting()
        for where, line in log.records():
            for part in read_counted(log, where, partial(_parts, line, where)):
                key = _key(part.span) or f"no id, {part.where}"
                known = waiting.last(key)
                if known is not None and _key(part.span):
                    _join(known, part)
                    continue
                pushed = waiting.put(key, part)
                if pushed is not None:
                    yield from _traces(log, pushed)
        for part in waiting.rest():
            yield from _traces(log, part)


def _parts(line: Record, where: str) -> Iterator[Part]:
    spans = otlp_spans(line) if line.keys() & OTLP else iter([plain_span(line)])
    for span in spans:
        if _is_request(span):
            yield Part(where, span, [])
    for trace_id, span_id, event, resource in otlp_events(line):
        span = Span(span_id, trace_id, None, None, None, {}, resource=resource)
        if event.name == genai.DETAILS or (event.name.startswith("gen_ai.") and _key(span)):
            yield Part(where, span, [event])  # others tell too little without a span that joins them


def _is_request(span: Span) -> bool:
    kind = openinference.kind_of(span.attributes)
    return kind == "LLM" or (kind is None and genai.is_request(span.attributes))


def _key(span: Span) -> str:
    """Empty where the span has no id, or that of none, which is zeros."""
    return f"{span.trace_id}/{span.id}" if span.id and span.id.strip("0x") else ""


def _join(known: Part, part: Part) -> None:
    """A span that was sent again counts once."""
    known.events += part.events
    if part.span.attributes:
        known.span = part.span


def _traces(log: LogFile, part: Part) -> list[Trace]:
    span = replace(part.span, events=(*part.span.events, *part.events))
    if span.begin is None and span.events:
        span = replace(span, begin=span.events[0].at)
    read = openinference.trace_of if openinference.kind_of(span.attributes) else genai.trace_of
    return read_counted(log, part.where, lambda: [read(span, part.where)])


FORM = OtelForm()
