"""A request to a model out of the attributes of OpenInference, which Phoenix reads, flat or nested."""

from __future__ import annotations

from typing import Any

from whet.monitoring.logs.contents.chat_messages import finish_word, messages_of, tools_of
from whet.monitoring.logs.contents.openai_calls import Answered, answered_of, asked_of
from whet.monitoring.logs.contents.spans import Span, nested
from whet.monitoring.logs.contents.values import (
    Record,
    between,
    count,
    dollars,
    first_name,
    record,
    records,
    unpacked,
)
from whet.monitoring.trace import Trace
from whet.types import Message

REDACTED = "__REDACTED__"
"""What OpenInference writes in the place of content that was not to be kept."""


def kind_of(attributes: Record) -> str | None:
    """LLM, CHAIN, TOOL and so on; None where the attributes are not OpenInference's."""
    flat = first_name(attributes.get("openinference.span.kind"))
    return flat or first_name(record(record(attributes.get("openinference")).get("span")).get("kind"))


def trace_of(span: Span, where: str) -> Trace:
    """Raises Unreadable where the messages are none."""
    tree = nested(span.attributes)
    llm = record(tree.get("llm"))
    parameters = record(llm.get("invocation_parameters"))
    raw = unpacked(_kept(record(tree.get("input")).get("value")))
    request = asked_of(parameters | (raw if isinstance(raw, dict) and "messages" in raw else {"prompt": raw}))
    messages = [_message(item) for item in records(llm.get("input_messages"))]
    answered = _answered(llm, tree)
    tokens = record(llm.get("token_count"))
    session, user = record(tree.get("session")).get("id"), record(tree.get("user")).get("id")
    return Trace(
        id=span.id or where,
        where=where,
        at=span.begin,
        model=first_name(llm.get("model_name"), parameters.get("model"), request.model),
        workload=first_name(span.resource.get("openinference.project.name"), _template(llm), span.name),
        client=first_name(user, request.client),
        conversation=first_name(session, span.trace_id),
        messages=messages_of(messages) or request.messages,
        tools=_tools(llm) or request.tools,
        answer=answered.text,
        tool_calls=answered.tool_calls,
        finish_reason=finish_word(llm.get("finish_reason")) or answered.finish_reason,
        schema=request.schema,
        prompt_tokens=_first_count(tokens.get("prompt"), answered.prompt_tokens),
        answer_tokens=_first_count(tokens.get("completion"), answered.answer_tokens),
        seconds=between(span.begin, span.end),
        first_token_seconds=_first_token(span),
        error=span.error or answered.error,
        usd=dollars(record(llm.get("cost")).get("total")),
    )


def _kept(value: Any) -> Any:
    return None if value == REDACTED else value


def _message(item: Record) -> Message:
    """A message in OpenAI's words."""
    held = record(item.get("message")) or item
    message: Message = {"role": first_name(held.get("role")) or "user", "content": _kept(held.get("content"))}
    parts = [record(part.get("message_content")) or part for part in records(held.get("contents"))]
    if message["content"] is None and parts:
        message["content"] = [_part(part) for part in parts]

    calls = [record(call.get("tool_call")) or call for call in records(held.get("tool_calls"))]
    if calls:
        message["tool_calls"] = calls
    for key in ("tool_call_id", "name"):
        if first_name(held.get(key)):
            message[key] = held[key]
    return message


def _part(part: Record) -> Record:
    if part.get("type") == "text":
        return {"type": "text", "text": _kept(part.get("text")) or ""}
    return {"type": str(part.get("type"))}


def _answered(llm: Record, tree: Record) -> Answered:
    """The first output message; where spans have none, the output's value, which is a response or a text. Both are
    read: tokens and finish reasons stand in the response alone."""
    raw = answered_of(_kept(record(tree.get("output")).get("value")))
    first = next(iter(records(llm.get("output_messages"))), None)
    if first is None:
        return raw
    answer = answered_of(_message(first))
    return Answered(
        text=answer.text,
        tool_calls=answer.tool_calls,
        finish_reason=raw.finish_reason,
        prompt_tokens=raw.prompt_tokens,
        answer_tokens=raw.answer_tokens,
        error=raw.error,
    )


def _tools(llm: Record) -> list[dict[str, Any]] | None:
    held = [record(item.get("tool")) or item for item in records(llm.get("tools"))]
    return tools_of([record(item.get("json_schema")) or item for item in held])


def _template(llm: Record) -> str | None:
    """The name that a prompt template was given, as far as its version tells it."""
    return first_name(record(llm.get("prompt_template")).get("name"))


def _first_count(value: object, otherwise: int | None) -> int | None:
    read = count(value)
    return otherwise if read is None else read


def _first_token(span: Span) -> float | None:
    at = next((event.at for event in span.events if event.name == "First Token Stream Event"), None)
    return between(span.begin, at)
