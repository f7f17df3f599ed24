"""One field of a raw row to a text or to messages; what is empty or of another type is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from whet.data.refused import RowRefused
from whet.data.rows.messages import clean_messages
from whet.types import Message


def side(value: Any, name: str, role: str) -> list[Message]:
    """One side of a prompt-completion row: a text, a message, or a list of messages."""
    single = isinstance(value, Mapping) and ("role" in value or "from" in value)
    if single or (isinstance(value, list) and value and isinstance(value[0], Mapping) and _is_message(value[0])):
        return clean_messages([value] if single else value)
    if role == "user":
        return [user(text_of(value, name))]
    return [assistant(answer_of(value, name))]


def _is_message(value: Mapping[str, Any]) -> bool:
    return "role" in value or "from" in value


def text_of(value: Any, name: str) -> str:
    if is_missing(value) or (isinstance(value, str) and not value.strip()):
        raise RowRefused("empty-text", f"{name!r} is empty", value=value, fix="fill it or remove the row")
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise RowRefused("wrong-type", f"{name!r} must be a text", value=value, fix="write it as a text")


def is_missing(value: Any) -> bool:
    """Nothing, or the not-a-number that a table (Parquet) holds where a number is missing."""
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def answer_of(value: Any, name: str) -> str:
    """The text to learn. An object or a list is learned as JSON, keys in the order of the file."""
    if is_missing(value) or (isinstance(value, str) and not value.strip()):
        raise RowRefused("empty-answer", f"{name!r} is empty", value=value, fix="fill it or remove the row")

    if isinstance(value, dict | list | bool):
        try:
            return json.dumps(value, ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError) as error:  # from Parquet: dates, bytes, not-a-number
            raise RowRefused("wrong-type", f"{name!r} is not JSON: {error}", value=value, fix="write texts") from error

    return text_of(value, name)


def user(content: str) -> Message:
    return {"role": "user", "content": content}


def assistant(content: str) -> Message:
    return {"role": "assistant", "content": content}
