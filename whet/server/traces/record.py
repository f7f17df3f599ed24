"""One trace on its way to the database: what is known of an answer when it has ended."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from whet.server.traces.asking import Asking
from whet.server.traces.redacting import redacted, redacted_value
from whet.types import Message

MOST_CONTENT = 64 * 1024
"""Characters of the texts of a trace; one that has more is kept without."""
ROW_BYTES = 600
"""About what a trace takes without its texts, with its places in the indexes."""


@dataclass(frozen=True, slots=True)
class AskedForm:
    """What the answer had to be; without a schema, any JSON object."""

    schema: dict[str, Any] | None
    wants_json: bool


@dataclass(slots=True)
class TraceRecord:
    """Texts are here only where they are kept or an answer's form must be looked at; none is redacted yet."""

    id: str
    kind: str
    asking: Asking
    model: str
    version: str
    fingerprint: str | None
    began: float
    """By time.monotonic()."""
    seconds: float
    first_token_seconds: float | None = None
    workload: str | None = None
    prompt_tokens: int | None = None
    answer_tokens: int | None = None
    finish_reason: str | None = None
    error: str | None = None
    messages: Sequence[Message] = ()
    tools: Sequence[Mapping[str, Any]] | None = None
    answer: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    form: AskedForm | None = None
    size: int = field(init=False)
    """Characters of its texts."""

    def __post_init__(self) -> None:
        schema = self.form.schema if self.form else None
        given = (self.messages, self.tools, self.answer, self.tool_calls, schema)
        self.size = sum(map(letters, given))

    def row(self, with_content: bool, now: float) -> dict[str, Any]:
        """As the table has it. `now` is the database's clock."""
        tried = self.asking.tried
        content = self._content() if with_content and self.size <= MOST_CONTENT else None
        kept = 0 if content is None else len(json.dumps(content, ensure_ascii=False))
        return {
            "id": self.id,
            "project": self.asking.project,
            "key": self.asking.key,
            "kind": self.kind,
            "at": now - (time.monotonic() - self.began),
            "model": self.model,
            "version": self.version,
            "fingerprint": self.fingerprint,
            "workload": self.workload,
            "client": self.asking.client,
            "conversation": self.asking.conversation,
            "finish_reason": self.finish_reason,
            "valid": self._valid(),
            "error": self.error,
            "prompt_tokens": self.prompt_tokens,
            "answer_tokens": self.answer_tokens,
            "seconds": self.seconds,
            "first_token_seconds": self.first_token_seconds,
            "feedback": 0,
            "bytes": ROW_BYTES + kept,
            "trial": tried.trial if tried else None,
            "side": tried.side if tried else None,
            "shadow_of": tried.shadow_of if tried else None,
            "content": content,
        }

    def _content(self) -> dict[str, Any] | None:
        """None for a request that was refused before anything was read."""
        if not self.messages:
            return None
        return {
            "messages": redacted_value(list(self.messages)),
            "tools": redacted_value(self.tools),
            "answer": None if self.answer is None else redacted(self.answer),
            "tool_calls": redacted_value(self.tool_calls),
            "schema": redacted_value(self.form.schema) if self.form else None,
        }

    def _valid(self) -> bool | None:
        """None where no form was asked for, or no answer came. A grammar holds each token to the schema, so an answer
        that ended is of it; one that was cut is not. A client's schema is not run over the answer once more: its
        patterns may take without end."""
        if self.form is None or not self.form.wants_json or self.answer is None:
            return None
        try:
            json.loads(self.answer)
        except (ValueError, RecursionError):
            return False
        return self.finish_reason == "stop"


def letters(value: Any) -> int:
    """Characters of all texts in a value of JSON."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(len(key) + letters(inner) for key, inner in value.items())
    if isinstance(value, list | tuple):
        return sum(map(letters, value))
    return 0
