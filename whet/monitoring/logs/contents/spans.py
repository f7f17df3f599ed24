"""A span of OpenTelemetry, from the forms in which tools write one: OTLP's JSON, the console exporter's, Phoenix's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from whet.monitoring.logs.contents.values import (
    Record,
    error_kind,
    first_name,
    moment,
    name,
    record,
    records,
    unpacked,
)

VALUES = ("stringValue", "boolValue", "intValue", "doubleValue", "bytesValue")


@dataclass(frozen=True, slots=True)
class SpanEvent:
    name: str
    at: float | None
    attributes: Record
    """With the body's fields, where the event is a log record of its own."""


@dataclass(frozen=True, slots=True)
class Span:
    id: str | None
    trace_id: str | None
    name: str | None
    begin: float | None
    end: float | None
    attributes: Record
    """Names with dots, or nested; values as Python's."""
    events: tuple[SpanEvent, ...] = ()
    resource: Record = field(default_factory=dict)
    failed: bool = False
    status: str | None = None

    @property
    def error(self) -> str | None:
        """The kind of the error that the span ended with."""
        kind = first_name(self.attributes.get("error.type"))
        if kind is None and not self.failed:
            return None
        thrown = (event.attributes.get("exception.type") for event in self.events if event.name == "exception")
        return error_kind(kind) or error_kind(first_name(*thrown)) or error_kind(self.status) or "error"


def otlp_spans(line: Record) -> Iterator[Span]:
    """The spans of an OTLP request, as the collector's file exporter writes one a line."""
    for resource in _records(line, "resourceSpans", "resource_spans"):
        shared = attributes_of(record(resource.get("resource")).get("attributes"))
        for scope in _records(resource, "scopeSpans", "scope_spans", "instrumentationLibrarySpans"):
            yield from (_otlp_span(item, shared) for item in _records(scope, "spans"))


def otlp_events(line: Record) -> Iterator[tuple[str | None, str | None, SpanEvent, Record]]:
    """Of the log records of an OTLP request: trace, span, the event, and the resource's attributes."""
    for resource in _records(line, "resourceLogs", "resource_logs"):
        shared = attributes_of(record(resource.get("resource")).get("attributes"))
        for scope in _records(resource, "scopeLogs", "scope_logs"):
            for item in _records(scope, "logRecords", "log_records"):
                given = attributes_of(item.get("attributes"))
                body = _value(item.get("body"))
                held = body if isinstance(body, dict) else {}
                title = first_name(item.get("eventName"), given.get("event.name")) or ""
                at = moment(item.get("timeUnixNano")) or moment(item.get("observedTimeUnixNano"))
                yield name(item.get("traceId")), name(item.get("spanId")), SpanEvent(title, at, given | held), shared


def plain_span(row: Record) -> Span:
    """A span that is an object with `context`, `start_time` and `attributes`, or a row with these as columns."""
    context = record(row.get("context"))
    status = row.get("status_code") or row.get("statusCode") or record(row.get("status")).get("status_code")
    message = row.get("status_message") or row.get("statusMessage") or record(row.get("status")).get("description")
    columns = {key[11:]: value for key, value in row.items() if key.startswith("attributes.") and value is not None}
    return Span(
        id=first_name(context.get("span_id"), context.get("spanId"), row.get("context.span_id"), row.get("id")),
        trace_id=first_name(context.get("trace_id"), context.get("traceId"), row.get("context.trace_id")),
        name=name(row.get("name")),
        begin=moment(row.get("start_time")) or moment(row.get("startTime")),
        end=moment(row.get("end_time")) or moment(row.get("endTime")),
        attributes=attributes_of(row.get("attributes")) | columns,
        events=tuple(_event(item) for item in records(row.get("events"))),
        resource=attributes_of(record(row.get("resource")).get("attributes")),
        failed=str(status).upper().endswith("ERROR"),
        status=name(message),
    )


def _otlp_span(item: Record, resource: Record) -> Span:
    status = record(item.get("status"))
    return Span(
        id=name(item.get("spanId") or item.get("span_id")),
        trace_id=name(item.get("traceId") or item.get("trace_id")),
        name=name(item.get("name")),
        begin=moment(item.get("startTimeUnixNano") or item.get("start_time_unix_nano")),
        end=moment(item.get("endTimeUnixNano") or item.get("end_time_unix_nano")),
        attributes=attributes_of(item.get("attributes")),
        events=tuple(_event(event) for event in _records(item, "events")),
        resource=resource,
        failed=status.get("code") in (2, "STATUS_CODE_ERROR"),
        status=name(status.get("message")),
    )


def _event(item: Record) -> SpanEvent:
    at = moment(item.get("timeUnixNano") or item.get("time_unix_nano") or item.get("timestamp"))
    return SpanEvent(name(item.get("name")) or "", at, attributes_of(item.get("attributes")))


def attributes_of(given: Any) -> Record:
    """Attributes as an object: OTLP writes a list of keys with typed values."""
    given = unpacked(given)
    if isinstance(given, dict):
        return given
    pairs = [pair for pair in records(given) if isinstance(pair.get("key"), str)]
    return {pair["key"]: _value(pair.get("value")) for pair in pairs}


def _value(given: Any) -> Any:
    if not isinstance(given, dict):
        return given
    if "arrayValue" in given:
        values = record(given["arrayValue"]).get("values")
        return [_value(item) for item in values] if isinstance(values, list) else []
    if "kvlistValue" in given:
        return attributes_of(record(given["kvlistValue"]).get("values"))
    kind = next((kind for kind in VALUES if kind in given), None)
    if kind is None:
        return given or None
    value = given[kind]
    if kind == "intValue" and isinstance(value, str) and re.fullmatch(r"-?\d{1,30}", value):
        return int(value)  # OTLP writes 64 bits as a text
    return value


def nested(attributes: Record) -> Record:
    """Attributes as a tree: names are taken apart at the dots, and what is numbered becomes a list."""
    tree: Record = {}
    for key, value in attributes.items():
        if value is not None:
            _put(tree, key.split("."), _nested_value(value))
    return _with_lists(tree)


def _nested_value(value: Any) -> Any:
    if isinstance(value, dict):
        return nested(value)
    if isinstance(value, list):
        return [_nested_value(item) for item in value]
    return value


def _put(tree: Record, path: list[str], value: Any) -> None:
    for part in path[:-1]:
        inner = tree.setdefault(part, {})
        if not isinstance(inner, dict):
            return  # the whole was given, too
        tree = inner
    held = tree.get(path[-1])
    tree[path[-1]] = held | value if isinstance(held, dict) and isinstance(value, dict) else value


def _with_lists(tree: Record) -> Any:
    inner = {key: _with_lists(value) if isinstance(value, dict) else value for key, value in tree.items()}
    if inner and all(key.isascii() and key.isdigit() and len(key) < 10 for key in inner):
        return [inner[key] for key in sorted(inner, key=int)]
    return inner


def _records(held: Record, *keys: str) -> list[Record]:
    return next((records(held[key]) for key in keys if isinstance(held.get(key), list)), [])
