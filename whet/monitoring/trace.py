"""One request to a model in use, and what came of it: what monitoring looks at, wherever it was written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from whet.types import Message

LONGEST_ASKED = 4000
"""Letters of a prompt that are compared."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What somebody said of an answer. Each part may be missing; `good` is a thumb up or down."""

    good: bool | None = None
    corrected: str | None = None
    """The answer that they wanted."""
    label: str | None = None
    comment: str | None = None
    by: str | None = None
    at: float | None = None
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Times are seconds since 1970 and durations seconds; what a log does not tell is None."""

    id: str
    where: str
    """For messages to people: `requests.jsonl:812`, or the trace's id in a service."""
    at: float | None = None
    model: str | None = None
    """As it was asked for: a version of a model has a name of its own."""
    workload: str | None = None
    client: str | None = None
    conversation: str | None = None
    """Traces of one conversation are not independent of each other."""
    messages: list[Message] = field(default_factory=list)
    """What was asked, without the answer. Empty where content was not kept."""
    tools: list[dict[str, Any]] | None = None
    answer: str | None = None
    """None where content was not kept, or the request failed."""
    tool_calls: list[dict[str, Any]] | None = None
    finish_reason: str | None = None
    """In OpenAI's words: stop, length, tool_calls, content_filter."""
    schema: Mapping[str, Any] | None = None
    """The JSON schema that the answer had to keep, where the request named one."""
    valid: bool | None = None
    """Whether it kept it, where that was told."""
    prompt_tokens: int | None = None
    answer_tokens: int | None = None
    seconds: float | None = None
    """From the request to the end of the answer."""
    first_token_seconds: float | None = None
    error: str | None = None
    """Its kind, where the request failed."""
    feedback: tuple[Feedback, ...] = ()
    version: str | None = None
    """What the name meant at that time: a base, a run, or the model of a job."""
    fingerprint: str | None = None
    """Short, of the weights that answered."""
    trial: str | None = None
    """Of the version that was tried beside the live one at that time (whet/store/model_registry.py)."""
    side: str | None = None
    """Who answered then: `live`, `new`, `instead` (the live one, because the new one could not), or `shadow`."""
    shadow_of: str | None = None
    """The trace whose request this answers, too. Nobody was told it, so it counts as no answer to people."""
    usd: float | None = None
    """What it cost, in dollars."""

    @property
    def answered_by(self) -> str | None:
        """The version, or else the name that was asked for."""
        return self.version or self.model

    @property
    def asked(self) -> str:
        """What is compared with the prompts that were trained on."""
        return asked_last(self.messages)


def once_each(told: Mapping[int, Any], traces: Sequence[Trace]) -> dict[int, Any]:
    """Of what places of traces tell, the first of each conversation: those after it depend on it."""
    begun: set[str] = set()
    kept = {}
    for place, value in told.items():
        conversation = traces[place].conversation
        if conversation is None or conversation not in begun:
            kept[place] = value
        if conversation is not None:
            begun.add(conversation)
    return kept


def asked_first(messages: Sequence[Message]) -> str:
    """What the person said first, as asked_last."""
    said = [message for message in messages if message.get("role") == "user"]
    return text_of(said[0])[:LONGEST_ASKED] if said else ""


def asked_last(messages: Sequence[Message]) -> str:
    """What the person said last, up to LONGEST_ASKED letters; empty where nobody did."""
    said = [message for message in messages if message.get("role") == "user"]
    return text_of(said[-1])[:LONGEST_ASKED] if said else ""


def text_of(message: Message) -> str:
    """The words of a message; of content in parts, those of its texts."""
    content = message.get("content")
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, Mapping)]
        return "\n".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def conversation(messages: Sequence[Message]) -> str:
    """The conversation up to an answer, by who says what where more than one does."""
    if len(messages) == 1:
        return text_of(messages[0])
    return "\n\n".join(f"{message.get('role')}: {text_of(message)}" for message in messages)
