"""Whet's own log: a trace a line. What is written is read back as it was, to the last bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any

from whet.monitoring.logs.contents.json_text import Unreadable
from whet.monitoring.logs.contents.values import Record
from whet.monitoring.logs.form import RecordForm
from whet.monitoring.trace import Feedback, Trace

MARK = "whet_trace"
"""The key that tells a trace of Whet's; its value is the version of the form."""
VERSION = 1
TEXTS = (
    "id where model version fingerprint workload client conversation answer finish_reason error corrected label "
    "comment by"
).split()
NUMBERS = "at seconds first_token_seconds".split()
COUNTS = "prompt_tokens answer_tokens".split()


def written(trace: Trace) -> dict[str, Any]:
    """The trace as an object for JSON: fields that say nothing are left out."""
    record = {MARK: VERSION} | _fields(trace)
    if trace.feedback:
        record["feedback"] = [_fields(opinion) for opinion in trace.feedback]
    return record


def read_back(record: Record, where: str) -> list[Trace]:
    """The trace that was written. Raises Unreadable for what this version did not write. `where` is for a trace that
    says no place of its own."""
    if record.get(MARK) != VERSION:
        raise Unreadable(f"a trace of the form {record.get(MARK)!r}, and this Whet reads {VERSION}")
    given = {"id": where, "where": where} | {key: value for key, value in record.items() if key != MARK}
    opinions: Any = given.pop("feedback", [])
    if not _are_objects(opinions):
        raise Unreadable("feedback is no list of objects")
    feedback = tuple(Feedback(**_checked(Feedback, opinion)) for opinion in opinions)
    return [Trace(**_checked(Trace, given), feedback=feedback)]


def _fields(held: Trace | Feedback) -> dict[str, Any]:
    record = {}
    for part in fields(held):
        value = getattr(held, part.name)
        silent = part.default_factory() if part.default_factory is not MISSING else part.default
        if part.name != "feedback" and (value != silent or type(value) is not type(silent)):
            record[part.name] = dict(value) if isinstance(value, Mapping) else value
    return record


def _checked(kind: type[Trace] | type[Feedback], given: Record) -> Record:
    names = {part.name for part in fields(kind)}
    for key, value in given.items():
        if key not in names:
            raise Unreadable(f"the key {key!r}, which no trace has")
        if not _fits(key, value):
            raise Unreadable(f"{key} is {type(value).__name__}")
    return given


def _fits(key: str, value: Any) -> bool:
    if key in TEXTS:
        return isinstance(value, str)
    if key in NUMBERS:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if key in COUNTS:
        return isinstance(value, int) and not isinstance(value, bool)
    return OTHERS[key](value)


def _are_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


OTHERS: dict[str, Callable[[Any], bool]] = {
    "messages": _are_objects,
    "tools": _are_objects,
    "tool_calls": _are_objects,
    "schema": lambda value: isinstance(value, dict),
    "valid": lambda value: isinstance(value, bool),
    "good": lambda value: isinstance(value, bool),
}


def knows(record: Record) -> bool:
    return MARK in record


FORM = RecordForm("whet", "Whet's own traces", knows, read_back)
