"""JSON that is read strictly: duplicate keys, NaN and broken characters are refused, with line and column."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from whet.errors import DataError


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
        raise DataError(str(error), where=f"{label}:{line}", fix="correct this row") from error
    except RecursionError as error:
        raise DataError("JSON is nested too deeply", where=f"{label}:{line}", fix="flatten this row") from error
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


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)


def _refuse_surrogates(value: Any, where: str) -> None:
    """Half of a \\ud83d\\ude00 pair is no character, and no tokenizer can take it."""
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(
            "an escape \\ud8xx stands alone: half of a character",
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
        "Unterminated string starting at": "a string begins here and never ends",
        "Invalid control character at": "a raw line break or tab inside a string (write \\n or \\t)",
    }
    return known.get(message, message)
