"""Checks of what is in one text: a fault is shown by an excerpt, and a row has it where one of its texts has it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from whet.doctor.check import RowCheck
from whet.doctor.privacy.personal_data import personal_spans
from whet.doctor.privacy.redactions import Redaction, redact, without_overlap
from whet.doctor.privacy.secrets import secret_spans
from whet.text.normalise import one_line
from whet.types import Finding, Message, Row, Severity

EXCERPT = 40
"""Characters around a fault that a message shows."""


def texts_of(row: Row) -> list[str]:
    """Every text of a row that the model will read or learn: contents, thoughts, arguments of tool calls."""
    if row.text is not None:
        return [row.text]
    found = list(_said(row.messages))
    if row.rejected:
        return found + list(_said((row.rejected or [])[row.shared :]))
    return found


def answers_of(row: Row) -> list[str]:
    """What is learned: the words of the assistant, of both sides where the row is a pair."""
    if row.rejected:
        both = [*row.messages, *(row.rejected or [])[row.shared :]]
    else:
        both = row.messages
    return [text for message in both if message["role"] == "assistant" for text in _parts(message.get("content"))]


def _said(messages: Iterable[Message]) -> Iterator[str]:
    for message in messages:
        content = message.get("content")
        if isinstance(content, str):
            if content:
                yield content
        else:
            yield from _parts(content)

        for name in ("reasoning_content", "tool_calls"):
            if message.get(name):
                yield from _strings(message[name])


def _parts(content: Any) -> list[str]:
    """The texts of a content, which is one text or a list of parts."""
    if isinstance(content, str):
        return [content] if content else []
    return [part["text"] for part in content or [] if isinstance(part, dict) and isinstance(part.get("text"), str)]


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for inner in value.values() for text in _strings(inner))
    elif isinstance(value, list):
        yield from (text for inner in value for text in _strings(inner))


def excerpt(text: str, start: int, end: int) -> str:
    """What is at a place, with some of what is around it, on one line. Personal data and secrets are redacted, as
    what is found goes into logs and files."""
    room = max(0, EXCERPT - (end - start)) // 2
    left, right = max(0, start - room), min(len(text), max(end, start) + room)
    hidden = without_overlap([*secret_spans(text), *personal_spans(text)])
    within = []
    for begin, finish, kind in hidden:
        if begin < right and finish > left:
            within.append(Redaction(max(begin, left) - left, min(finish, right) - left, kind))

    shown = one_line(redact(text[left:right], within))
    if left:
        shown = "..." + shown
    if right < len(text):
        shown += "..."
    return shown


class ExampleCheck(RowCheck):
    """A check that names the rows that have a fault, and shows the first of them."""

    severity: ClassVar[Severity] = "warning"
    says: ClassVar[str]
    """What is said of one row and of many: `holds|hold a key`."""
    remedy: ClassVar[str]

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.example = ""

    @abstractmethod
    def inspect(self, row: Row) -> str | None:
        """What shows the fault, or None where the row has none."""

    def record(self, index: int, where: str, found: str) -> None:
        self.rows.append(index)
        self.example = self.example or f"{where}: {found}"

    def findings(self) -> list[Finding]:
        if not self.rows:
            return []
        message = f"{count_phrase(len(self.rows), self.says)} ({self.example})"
        return [self.finding(self.severity, message, self.rows, self.remedy)]


class TextCheck(ExampleCheck):
    """A check that needs to see one text at a time."""

    @abstractmethod
    def find(self, text: str) -> str:
        """An excerpt that shows the fault; empty where the text has none."""

    def texts(self, row: Row) -> list[str]:
        """The texts to look at."""
        return texts_of(row)

    def inspect(self, row: Row) -> str | None:
        return next((shown for text in self.texts(row) if (shown := self.find(text))), None)


def count_phrase(count: int, says: str) -> str:
    """`1 row holds ...`, `3 rows hold ...`: `says` has both forms, as in "holds|hold a key"."""
    one, _, many = says.partition("|")
    verb, _, rest = many.partition(" ")
    if count == 1:
        return f"1 row {one} {rest}"
    return f"{count:,} rows {verb} {rest}"
