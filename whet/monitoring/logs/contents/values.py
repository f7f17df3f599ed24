"""What stands in a log, made one kind of value: times, counts, durations, JSON inside of texts, kinds of errors."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from typing import Any, TypeGuard

from whet.monitoring.logs.contents.json_text import Unreadable, parsed

Record = dict[str, Any]

UNITS = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6), (1e20, 1e9))
"""A number of at most so much counts seconds, milliseconds, microseconds, nanoseconds since 1970; until 5138."""
LARGEST_COUNT = 10**12
_ERROR_CLASS = re.compile(r"(?:\w+\.)*(\w*(?:Error|Exception|Timeout|Interrupt)\w*)")
_DIGITS = re.compile(r"\d+(\.\d*)?([eE][+-]?\d+)?")


def moment(value: Any) -> float | None:
    """Seconds since 1970 of an ISO time (UTC where it names no zone) or of a number in s, ms, µs or ns; else None."""
    if isinstance(value, datetime):
        return _since_1970(value)
    if isinstance(value, str):
        text = value.strip()
        if not _DIGITS.fullmatch(text):
            return _of_iso(text)
        value = int(text) if text.isascii() and text.isdigit() and len(text) < 30 else float(text)
    if not _is_number(value) or value <= 0:
        return None

    unit = next((unit for most, unit in UNITS if value <= most), None)
    return None if unit is None else value / unit


def _of_iso(text: str) -> float | None:
    try:
        return _since_1970(datetime.fromisoformat(text.removesuffix(" UTC")))
    except ValueError:
        return None


def _since_1970(time: datetime) -> float | None:
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    try:
        seconds = time.timestamp()
    except (OverflowError, ValueError):
        return None
    return seconds if seconds > 0 else None  # the year 1 stands for no time in Go and .NET


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(min(value, 1e30))


def number(value: Any) -> float | None:
    """A finite number, also of a text that is one; else None."""
    if isinstance(value, str) and _DIGITS.fullmatch(value.strip().removeprefix("-")):
        value = float(value)
    if not _is_number(value) or abs(value) > 1e30:
        return None
    return float(value)


def count(value: object) -> int | None:
    """A whole number that can count tokens; else None."""
    read = number(value)
    if read is None or read < 0 or read > LARGEST_COUNT or read != int(read):
        return None
    return int(read)


def duration(value: object, unit: float = 1.0) -> float | None:
    """Seconds of a number of which `unit` make a second; None for what is negative or no number."""
    read = number(value)
    if read is None or read < 0:
        return None
    return read / unit


def dollars(*values: object) -> float | None:
    """The first of these that is an amount; None without any, and for what is negative."""
    return next((read for read in map(number, values) if read is not None and read >= 0), None)


def between(begin: float | None, end: float | None) -> float | None:
    """Seconds from one moment to a later one; None where either is missing, or where clocks disagree."""
    if begin is None or end is None or end < begin:
        return None
    return end - begin


def name(value: object) -> str | None:
    """A name or an id: a text that is not empty, or a whole number as one."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**30:
        return str(value)
    if isinstance(value, str) and value.strip():
        return value
    return None


def first_name(*values: object) -> str | None:
    """The first of these that is a name."""
    return next((read for read in map(name, values) if read is not None), None)


def record(value: object) -> Record:
    """The object that this is, or that stands in this text as JSON; else an empty one."""
    value = unpacked(value)
    return value if isinstance(value, dict) else {}


def records(value: object) -> list[Record]:
    """The objects of this list, or of the list that stands in this text as JSON."""
    value = unpacked(value)
    if not isinstance(value, list):
        return []
    return [item for item in map(unpacked, value) if isinstance(item, dict)]


def unpacked(value: object) -> Any:
    """The value that stands in a text as JSON, where it is an object or a list; all else as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return parsed(value)
        except Unreadable:
            return value  # a text that begins with a bracket
    return value


def written(value: object) -> str:
    """A text as it is; anything else as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def error_kind(value: Any) -> str | None:
    """The kind of an error that a log tells of, as a class, a type, a code or a sentence. A sentence whose kind is not
    seen is `error`, because its words may be private. None where there is no error."""
    if isinstance(value, dict):
        if isinstance(value.get("error"), dict):
            value = value["error"]
        inner = first_name(value.get("type"), value.get("code"), value.get("error_class"), value.get("error_code"))
        return inner or error_kind(value.get("message")) or "error"
    if value is None or value is False or value == "":
        return None
    if not isinstance(value, str):
        return name(value) or "error"

    match = _ERROR_CLASS.search(value)
    if match:
        return match[1]
    return value if re.fullmatch(r"[\w.-]{1,60}", value) else "error"
