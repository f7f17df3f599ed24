"""JSON as loggers write it. Rows of data are read strictly (whet/data/read/strict_json.py); whoever reads a log of
another program cannot correct it, so what does not change the meaning is let pass: NaN is no value, half of a character
is a mark in its place, the last of two equal keys counts."""

from __future__ import annotations

import json
from typing import Any


class Unreadable(ValueError):
    """A record that is not what its form promises. The text says what."""


def parsed(text: str) -> Any:
    """The value of a JSON text. Raises Unreadable."""
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise Unreadable(f"not valid JSON at column {error.colno}") from error
    except RecursionError as error:
        raise Unreadable("JSON that is nested too deep") from error
    except ValueError as error:  # Python's own limit is some thousand digits
        raise Unreadable("a number of too many digits") from error
    if "\\ud" in text or "\\uD" in text:
        return _whole_characters(value)
    return value


_DECODER = json.JSONDecoder(parse_constant=lambda name: None)


def _whole_characters(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [_whole_characters(item) for item in value]
    if isinstance(value, dict):
        return {_whole_characters(key): _whole_characters(item) for key, item in value.items()}
    return value
