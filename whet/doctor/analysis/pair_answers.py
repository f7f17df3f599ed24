"""The words of a pair that the checks compare."""

from __future__ import annotations

import hashlib
import json

from whet.text.normalise import one_line
from whet.types import Message, Row


def answer_words(messages: list[Message]) -> str:
    """What is said from here on, tool calls too."""
    return "\n".join(_said(message) for message in messages)


def _said(message: Message) -> str:
    calls = message.get("tool_calls")
    return str(message.get("content") or "") + (json.dumps(calls, sort_keys=True, default=str) if calls else "")


def chosen_words(row: Row) -> str:
    """The chosen answer of a pair, or the one answer of a row that was marked."""
    return answer_words(row.messages[len(row.prompt) :])


def rejected_words(row: Row) -> str:
    return answer_words((row.rejected or [])[row.shared :])


def digest(words: str) -> bytes:
    """16 bytes, equal for texts that differ in case and spaces alone."""
    return hashlib.blake2b(one_line(words.casefold()).encode("utf-8", "surrogatepass"), digest_size=16).digest()
