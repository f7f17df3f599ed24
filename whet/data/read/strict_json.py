"""JSON that is read strictly: duplicate keys, NaN, numbers too large and broken characters are refused, with place."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from whet.errors import DataError

DEEPEST = 100
"""Levels of lists and objects. No data needs more; whatever walks through a row later could run out of stack."""


def parse(text: str, label: str, line: int) -> Any:
    """The value of a JSON text that begins on `line` of the file. Raises DataError."""
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        near = text[max(0, error.pos - 25) : error.pos + 25]
        raise DataError(
            f"not valid JSON at column {error.colno}: {_plain(error.msg)}",
            where=f"{label}:{line + error.lineno - 1}",
            value=near,
            fix="correct this line" if "\n" not in text.rstrip("\n") else "correct the file there",
        ) from error
    except _Refused as error:
        place = f"{label}:{line + _line_of_refusal(text)}"
        raise DataError(str(error), where=place, fix="correct this row") from error
    except RecursionError as error:
        raise _too_deep(f"{label}:{line}") from error

    if text.count("[") + text.count("{") > DEEPEST:
        _refuse_deep(value, f"{label}:{line}")
    if "\\ud" in text or "\\uD" in text:
        _refuse_surrogates(value, f"{label}:{line}")
    return value


def row(value: Any, where: str) -> dict[str, Any] | str:
    """A row must be an object, or a text. Raises DataError."""
    if isinstance(value, dict | str):
        return value
    raise DataError("a row must be a JSON object", where=where, value=value, fix='write {"prompt": ..., ...}')


class _Refused(Exception):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Refused(f"the key {key!r} occurs twice in one object")
            seen.add(key)
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise _Refused(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise _Refused(f"the number {digits} is too large")
    return number


def _whole(digits: str) -> int:
    try:
        return int(digits)
    except ValueError as error:  # Python's own limit is some thousand digits
        raise _Refused(f"a number of {len(digits)} digits is too large; write it as a text") from error


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite, parse_int=_whole
)


def _line_of_refusal(text: str) -> int:
    """Lines before the item that is refused, where the text is one list of items (a .json file); else 0."""
    at = text.find("[")
    while at >= 0:
        at += 1
        at += len(text[at : at + 1000]) - len(text[at : at + 1000].lstrip())

        try:
            _, end = _DECODER.raw_decode(text, at)
        except _Refused:
            return text.count("\n", 0, at)
        except ValueError:
            return 0
        at = text.find(",", end)

    return 0


def _refuse_deep(value: Any, where: str) -> None:
    if isinstance(value, dict | list):
        level = [value]
    else:
        level = []

    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return

    raise _too_deep(where)


def _too_deep(where: str) -> DataError:
    return DataError(f"JSON is nested more than {DEEPEST} levels deep", where=where, fix="flatten this row")


def _refuse_surrogates(value: Any, where: str) -> None:
    """Half of a \\ud83d\\ude00 pair is no character, and no tokenizer can take it."""
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(
            "an escape \\ud8xx is half of a character",
            where=where,
            value=error.object[error.start],
            fix="remove it",
        ) from error


def _plain(message: str) -> str:
    """The parser's words, for people."""
    known = {
        "Expecting property name enclosed in double quotes": "a key in double quotes was expected (a comma too many?)",
        "Expecting value": "a value was expected",
        "Expecting ',' delimiter": "a comma or a closing bracket was expected",
        "Expecting ':' delimiter": "a colon was expected",
        "Extra data": "something follows after the end of the value",
        "Unterminated string starting at": "a string begins here and never ends (a line break in it is written \\n)",
        "Invalid control character at": "a raw line break or tab inside a string (write \\n or \\t)",
    }

    return known.get(message, message)
