"""What a request to a model costs and how it ends, noted while it is answered, for the span that tells of it."""

from __future__ import annotations

import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

WATCH: ContextVar[Watch | None] = ContextVar("watch", default=None)
"""Of the request that is being answered; None where nobody watches."""


@dataclass(slots=True)
class Watch:
    """Of one request. `keeps`: is what was said kept, too?"""

    keeps: bool = False
    began: float = field(default_factory=time.monotonic)
    model: str | None = None
    """By the name that it was asked by, once it is open."""
    read: int | None = None
    """Tokens of the prompt."""
    written: int | None = None
    """Tokens of all answers."""
    first: float | None = None
    """Seconds until the first token."""
    ends: dict[int, str] = field(default_factory=dict)
    """How each answer ended; "abort": nobody waited for it any more."""
    begun: int = 0
    response: str | None = None
    answer: dict[str, Any] | None = None
    """In the shape of its path, where it is kept."""
    error: str | None = None

    def opened(self, model: str) -> None:
        self.model = model

    def reads(self, tokens: int) -> None:
        self.read = (self.read or 0) + tokens

    def begin_answer(self) -> int:
        """The place of an answer that begins now."""
        self.begun += 1
        return self.begun - 1

    def token(self) -> None:
        if self.first is None:
            self.first = time.monotonic() - self.began

    def end_answer(self, place: int, written: int, reason: str) -> None:
        self.written = (self.written or 0) + written
        self.ends[place] = reason

    def tell(self, answer: dict[str, Any]) -> None:
        """The whole answer."""
        self.response = answer.get("id")
        if self.keeps:
            self.answer = answer

    def tell_part(self, part: dict[str, Any]) -> None:
        """A part of an answer that is streamed. Each carries the identifier, some in a `response`, the last of which
        is whole."""
        self.response = self.response or part.get("response", part).get("id")
        if not self.keeps:
            return
        if "response" in part:
            self.answer = part["response"]
        for choice in part.get("choices") or []:
            self._add(choice)

    def _add(self, choice: dict[str, Any]) -> None:
        self.answer = self.answer or {"choices": []}
        choices = self.answer["choices"]
        known = next((one for one in choices if one["index"] == choice["index"]), None)
        if known is None:
            known = {"index": choice["index"], "message": {"role": "assistant", "content": "", "tool_calls": []}}
            choices.append(known)
        new = choice.get("delta") or {"content": choice.get("text")}
        known["message"]["content"] += new.get("content") or ""
        known["message"]["tool_calls"] += new.get("tool_calls") or []
        known["finish_reason"] = choice.get("finish_reason")


def note_error(code: str) -> None:
    """The request that is being answered has failed."""
    watch = WATCH.get()
    if watch is not None:
        watch.error = code


def note_answer(answer: Any) -> None:
    """The request that is being answered is told this, and no more."""
    watch = WATCH.get()
    if watch is not None:
        watch.tell(answer)


def note_part(part: dict[str, Any]) -> None:
    """The request that is being answered is told this, among more."""
    watch = WATCH.get()
    if watch is not None:
        watch.tell_part(part)
