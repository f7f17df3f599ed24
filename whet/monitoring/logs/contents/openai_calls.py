"""A request to OpenAI's API, or one alike, and its response: as other formats hold them in one of their fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from whet.monitoring.logs.contents.chat_messages import (
    answer_of,
    failure_word,
    finish_word,
    messages_of,
    tool_calls,
    tools_of,
    without_answer,
)
from whet.monitoring.logs.contents.streams import is_chunk, is_event_stream, merged, of_event_stream
from whet.monitoring.logs.contents.values import (
    Record,
    count,
    error_kind,
    first_name,
    moment,
    record,
    unpacked,
    written,
)
from whet.types import Message


@dataclass(frozen=True, slots=True)
class Asked:
    messages: list[Message] = field(default_factory=list)
    tools: list[dict[str, Any]] | None = None
    schema: Mapping[str, Any] | None = None
    model: str | None = None
    client: str | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    text: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    answer_tokens: int | None = None
    error: str | None = None
    id: str | None = None
    model: str | None = None
    at: float | None = None


def asked_of(request: Record) -> Asked:
    """What a request asks. Raises Unreadable where its messages are none."""
    held = {key: request.get(key) for key in ("messages", "input", "prompt", "system", "instructions")}
    if isinstance(held["prompt"], list) and all(isinstance(part, int) for part in held["prompt"]):
        held["prompt"] = None  # ids of tokens
    return Asked(
        messages=messages_of({key: part for key, part in held.items() if part}),
        tools=tools_of(request.get("tools")) or tools_of(request.get("functions")),
        schema=schema_of(request),
        model=first_name(request.get("model")),
        client=first_name(request.get("safety_identifier"), request.get("user")),
    )


def version_of(name: str | None, answered: str | None) -> str | None:
    """What the name of a model meant, where the answer tells another one than was asked for."""
    return answered if name is not None and answered != name else None


def schema_of(request: Record) -> Mapping[str, Any] | None:
    """The JSON schema that an answer had to keep: `response_format`, the Responses API's `text.format`, or vLLM's own
    keys."""
    extra = record(request.get("extra_body"))
    formats = (request.get("response_format"), extra.get("response_format"), record(request.get("text")).get("format"))
    for wanted in map(record, formats):
        schema = record(record(wanted.get("json_schema")).get("schema")) or record(wanted.get("schema"))
        if schema:
            return schema
    for source in (request, extra):
        given = record(source.get("structured_outputs")).get("json") or source.get("guided_json")
        if record(given):
            return record(given)
    return None


def answered_of(response: object) -> Answered:
    """What a response answers: an object of OpenAI's API or one alike, the chunks of a stream, a message, or a text."""
    if isinstance(response, str) and is_event_stream(response):
        response = of_event_stream(response)
    response = unpacked(response)
    if isinstance(response, list):
        return _of_list(response)
    if isinstance(response, dict):
        return _of_object(response)
    return Answered(text=response if isinstance(response, str) and response else None)


def _of_list(response: list[Any]) -> Answered:
    items = [item for item in map(unpacked, response) if isinstance(item, dict)]
    if items and is_chunk(items[0]):
        return _of_object(merged(items))
    if items and all("role" in item for item in items):
        return _of_message(messages_of(items)[-1])
    if items and ("message" in items[0] or "delta" in items[0]):
        return _of_object({"choices": items})
    return Answered(text=written(response)) if response else Answered()


def _of_object(response: Record) -> Answered:
    usage = record(response.get("usage"))
    answered = _words(response)
    return replace(
        answered,
        prompt_tokens=_first_count(usage, "prompt_tokens", "input_tokens"),
        answer_tokens=_first_count(usage, "completion_tokens", "output_tokens"),
        error=answered.error or _error(response),
        id=first_name(response.get("id")),
        model=first_name(response.get("model")),
        at=moment(response.get("created")) or moment(response.get("created_at")),
    )


def _words(response: Record) -> Answered:
    choices = response.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        return _of_choice(choices[0])
    if isinstance(response.get("output"), list):
        return _of_items(response)
    if isinstance(response.get("message"), dict):
        return replace(_of_message(response["message"]), finish_reason=finish_word(response.get("done_reason")))
    if "role" in response or isinstance(response.get("content"), str | list) or "tool_calls" in response:
        return _of_message(response)

    words = (response.get(key) for key in ("completion", "text", "response", "output", "answer"))
    text = next((value for value in words if isinstance(value, str)), None)
    known = {"error", "usage", "id", "object", "created", "model", "choices", "detail"}
    if text is None and not response.keys() & known and response:
        text = written(response)  # an answer that was JSON
    return Answered(text=text)


def _of_choice(choice: Record) -> Answered:
    message = record(choice.get("message"))
    if not message and isinstance(choice.get("text"), str):
        message = {"content": choice["text"]}
    return _finished(_of_message(message), choice.get("finish_reason"))


def _of_message(message: Record) -> Answered:
    """Also one of Anthropic's API, which holds its finish reason itself."""
    answered = Answered(text=answer_of(message), tool_calls=tool_calls(message))
    return _finished(answered, message.get("finish_reason") or message.get("stop_reason"))


def _finished(answered: Answered, reason: object) -> Answered:
    return replace(answered, finish_reason=finish_word(reason), error=failure_word(reason))


def _of_items(response: Record) -> Answered:
    """A response of the Responses API: the words of its messages, and its calls."""
    turns = messages_of(response["output"])
    _, last = without_answer(turns)
    texts = [answer_of(turn) for turn in turns]
    text = "\n".join(text for text in texts if text) or None
    calls = [call for turn in turns for call in tool_calls(turn) or []]

    reason: object = record(response.get("incomplete_details")).get("reason") or response.get("status")
    if calls and reason == "completed":
        reason = "tool_calls"
    return _finished(Answered(text=text if last else None, tool_calls=calls or None), reason)


def _error(response: Record) -> str | None:
    return error_kind(response.get("error")) or (error_kind(response) if response.get("object") == "error" else None)


def _first_count(usage: Record, *keys: str) -> int | None:
    return next((read for read in (count(usage.get(key)) for key in keys) if read is not None), None)
