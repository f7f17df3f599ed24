"""A request to a model out of the attributes and events of OpenTelemetry's GenAI conventions: those of today
(`gen_ai.input.messages`), those until 1.36 (events `gen_ai.user.message`, `gen_ai.choice`), and the attributes that
came before (`gen_ai.prompt.0.content`)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from whet.monitoring.logs.contents.chat_messages import (
    failure_word,
    finish_word,
    messages_of,
    tool_calls,
    tools_of,
)
from whet.monitoring.logs.contents.openai_calls import Answered, answered_of, version_of
from whet.monitoring.logs.contents.spans import Span, SpanEvent, nested
from whet.monitoring.logs.contents.values import (
    Record,
    between,
    count,
    duration,
    first_name,
    name,
    record,
    records,
    unpacked,
    written,
)
from whet.monitoring.trace import Trace
from whet.types import Message

OPERATIONS = ("chat", "text_completion", "generate_content", "completion")
"""`gen_ai.operation.name`s, and Traceloop's `llm.request.type`s, of requests for words."""
DETAILS = "gen_ai.client.inference.operation.details"
ROLES = ("system", "user", "assistant", "tool")
FIRST_TOKENS = (
    "gen_ai.response.time_to_first_chunk",
    "gen_ai.server.time_to_first_token",
    "gen_ai.latency.time_to_first_token",  # vLLM's own spans
)


def is_request(attributes: Record) -> bool:
    """Whether a span with these attributes is a request for words."""
    operation = name(attributes.get("gen_ai.operation.name")) or name(attributes.get("llm.request.type"))
    if operation is not None:
        return operation in OPERATIONS
    keys = ("gen_ai.request.model", "gen_ai.response.model", "gen_ai.usage.prompt_tokens", "gen_ai.usage.input_tokens")
    return any(key in attributes for key in keys) and "gen_ai.tool.name" not in attributes


def trace_of(span: Span, where: str) -> Trace:
    """Raises Unreadable where the messages are none."""
    for event in span.events:
        if event.name == DETAILS:
            span = replace(span, attributes=event.attributes | span.attributes)
    attributes = span.attributes
    messages, answered = _content(span)
    reasons = attributes.get("gen_ai.response.finish_reasons") or attributes.get("gen_ai.response.finish_reason")
    reason = reasons[0] if isinstance(reasons, list) and reasons else reasons
    schema = record(attributes.get("gen_ai.request.structured_output_schema"))
    return Trace(
        id=first_name(attributes.get("gen_ai.response.id"), attributes.get("gen_ai.request.id"), span.id) or where,
        where=where,
        at=span.begin,
        model=first_name(attributes.get("gen_ai.request.model"), attributes.get("gen_ai.response.model")),
        workload=_workload(span),
        client=first_name(attributes.get("user.id"), attributes.get("enduser.id")),
        conversation=first_name(attributes.get("gen_ai.conversation.id"), attributes.get("session.id"), span.trace_id),
        messages=messages,
        tools=_tools(attributes),
        answer=answered.text,
        tool_calls=answered.tool_calls,
        finish_reason=finish_word(reason) or answered.finish_reason,
        schema=schema or None,
        prompt_tokens=_tokens(attributes, "input", "prompt"),
        answer_tokens=_tokens(attributes, "output", "completion"),
        seconds=between(span.begin, span.end),
        first_token_seconds=_first_token(attributes),
        error=span.error or failure_word(reason) or answered.error,
        version=version_of(*(name(attributes.get(f"gen_ai.{side}.model")) for side in ("request", "response"))),
    )


def _workload(span: Span) -> str | None:
    keys = ("gen_ai.prompt.name", "gen_ai.agent.name", "traceloop.workflow.name")
    given = first_name(*(span.attributes.get(key) for key in keys))
    return given or first_name(span.resource.get("service.name"))


def _tokens(attributes: Record, *words: str) -> int | None:
    values = (count(attributes.get(f"gen_ai.usage.{word}_tokens")) for word in words)
    return next((read for read in values if read is not None), None)


def _first_token(attributes: Record) -> float | None:
    values = (duration(attributes.get(key)) for key in FIRST_TOKENS)
    return next((read for read in values if read is not None), None)


def _tools(attributes: Record) -> list[dict[str, Any]] | None:
    given = tools_of(attributes.get("gen_ai.tool.definitions"))
    older = record(nested(_under(attributes, "llm.request.functions")).get("llm")).get("request")
    return given or tools_of(record(older).get("functions"))


def _content(span: Span) -> tuple[list[Message], Answered]:
    """What was asked and answered, from the first of the places that holds any."""
    attributes = span.attributes
    prompt, answers = attributes.get("gen_ai.input.messages"), attributes.get("gen_ai.output.messages")
    if prompt or answers or attributes.get("gen_ai.system_instructions"):
        instructions = unpacked(attributes.get("gen_ai.system_instructions"))
        before = _of_parts({"role": "system", "parts": instructions}) if instructions else []
        return before + _messages(prompt), _answered(answers)
    if any(event.name.startswith("gen_ai.") for event in span.events):
        return _of_events(span.events)
    return _of_old_attributes(attributes)


def _messages(given: Any) -> list[Message]:
    given = unpacked(given)
    if not isinstance(given, list) or not any(isinstance(item, dict) and "parts" in item for item in given):
        return messages_of(given)
    return [message for item in records(given) for message in _of_parts(item)]


def _of_parts(item: Record) -> list[Message]:
    """The message of a list of parts; results of tools are messages of their own."""
    parts = item.get("parts")
    if not isinstance(parts, list):
        return messages_of([item])
    objects = [part if isinstance(part, dict) else {"type": "text", "content": part} for part in parts]
    texts = [written(part["content"]) for part in objects if part.get("type", "text") == "text" and "content" in part]
    calls = [part for part in objects if part.get("type") == "tool_call"]
    results = [part for part in objects if part.get("type") == "tool_call_response"]

    read: list[Message] = [
        {
            "role": "tool",
            "tool_call_id": part.get("id"),
            "content": written(part.get("response", "")),
        }
        for part in results
    ]
    if texts or calls or not results:
        message = {"role": item.get("role"), "content": "\n".join(texts) if texts else None, "tool_calls": calls}
        read = messages_of([message]) + read
    return read


def _answered(given: Any) -> Answered:
    """The first of the answers."""
    first = next(iter(records(given)), None)
    if first is None:
        return answered_of(given)
    messages = _of_parts(first)
    reason = first.get("finish_reason")
    answered = answered_of(messages[0] | {"finish_reason": None}) if messages else Answered()
    return replace(answered, finish_reason=finish_word(reason), error=failure_word(reason))


def _of_events(events: tuple[SpanEvent, ...]) -> tuple[list[Message], Answered]:
    messages: list[Message] = []
    answered = Answered()
    for event in events:
        held = event.attributes | record(event.attributes.get("gen_ai.event.content"))
        kind = event.name.removeprefix("gen_ai.")
        if kind == "content.prompt":
            messages += messages_of(held.get("gen_ai.prompt"))
        elif kind == "content.completion":
            answered = answered_of(held.get("gen_ai.completion"))
        elif kind == "choice" and count(held.get("index", 0)) == 0:
            answered = _of_choice(held)
        elif kind.removesuffix(".message") in ROLES:
            messages += _of_event(kind.removesuffix(".message"), held)
    return messages, answered


def _of_event(role: str, held: Record) -> list[Message]:
    message: Message = {"role": name(held.get("role")) or role, "content": held.get("content")}
    calls = tool_calls(held)
    if calls:
        message["tool_calls"] = calls
    if role == "tool":
        message["tool_call_id"] = held.get("id")
    return messages_of([message])


def _of_choice(held: Record) -> Answered:
    message = record(held.get("message")) or {"content": held.get("message", held.get("content"))}
    if "tool_calls" in held:
        message = message | {"tool_calls": held["tool_calls"]}
    return answered_of({"choices": [{"message": message, "finish_reason": held.get("finish_reason")}]})


def _of_old_attributes(attributes: Record) -> tuple[list[Message], Answered]:
    held = record(nested(_under(attributes, "gen_ai.prompt") | _under(attributes, "gen_ai.completion")).get("gen_ai"))
    prompt, answers = held.get("prompt"), held.get("completion")
    turns = [item for item in records(prompt) if "role" in item]
    first = next(iter(records(answers)), None)
    if first is not None and ("content" in first or "tool_calls" in first):
        answers = {"choices": [{"message": first, "finish_reason": first.get("finish_reason")}]}
    return messages_of(turns or prompt), answered_of(answers)


def _under(attributes: Record, prefix: str) -> Record:
    return {key: value for key, value in attributes.items() if key == prefix or key.startswith(f"{prefix}.")}
