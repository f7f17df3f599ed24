"""Requests with their responses, as OpenAI's API has them: a pair a row under the usual names, NVIDIA's flywheel,
OpenPipe's exports and reports, rows of an Elasticsearch dump, plain conversations whose last turn is the answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from whet.monitoring.logs.contents.chat_messages import answer_of, tool_calls, without_answer
from whet.monitoring.logs.contents.openai_calls import Answered, Asked, answered_of, asked_of, version_of
from whet.monitoring.logs.contents.values import (
    Record,
    between,
    count,
    dollars,
    duration,
    error_kind,
    first_name,
    moment,
    record,
    unpacked,
)
from whet.monitoring.logs.form import RecordForm
from whet.monitoring.trace import Trace

PAIRS = (("request", "response"), ("reqPayload", "respPayload"), ("input", "output"))
ASKED = ("messages", "prompt", "input")
"""What makes an object a request."""
ANSWERS = ("response", "completion", "output", "answer")
"""Where the answer stands beside the request's own keys."""
BEGINS = ("timestamp", "requestedAt", "requested_at", "start_time", "created_at", "created", "time", "at")
ENDS = ("receivedAt", "received_at", "end_time")
DURATIONS = {"latency_ms": 1e3, "duration_ms": 1e3, "latency_s": 1.0, "duration_s": 1.0, "latency_seconds": 1.0}
"""Keys, and how many of their units make a second. A bare `latency` names no unit, and is not read."""
COSTS = ("cost_usd", "usd")
"""A bare `cost` names no currency, and is not read."""


def knows(row: Record) -> bool:
    row = _source(row)
    request, response = _pair(row)
    if request is None or not any(key in request for key in ASKED):
        return False
    return response is not None or request is not row or "messages" in row


def read(row: Record, where: str) -> list[Trace]:
    row = _source(row)
    request, response = _pair(row)
    question = asked_of(request or {})
    answered = answered_of(_body(response))
    if response is None:
        question, answered = _last_turn(question, answered)

    begin, end = _first_moment(row, BEGINS), _first_moment(row, ENDS)
    trace = Trace(
        id=first_name(row.get("id"), row.get("request_id"), answered.id) or where,
        where=where,
        at=begin or answered.at,
        model=question.model or first_name(row.get("model"), answered.model),
        workload=first_name(row.get("workload_id"), row.get("workload"), record(row.get("tags")).get("prompt_id")),
        client=first_name(row.get("client_id"), row.get("client"), row.get("user_id")) or question.client,
        conversation=first_name(row.get("conversation_id"), row.get("session_id"), row.get("thread_id")),
        messages=question.messages,
        tools=question.tools,
        answer=answered.text,
        tool_calls=answered.tool_calls,
        finish_reason=answered.finish_reason,
        schema=question.schema,
        prompt_tokens=answered.prompt_tokens,
        answer_tokens=answered.answer_tokens,
        seconds=_seconds(row, begin, end),
        first_token_seconds=duration(row.get("ttft_ms", row.get("time_to_first_token_ms")), 1e3),
        error=answered.error or _error(row, response),
        version=version_of(question.model, answered.model),
        usd=dollars(*(row.get(key) for key in COSTS)),
    )
    return [trace]


def _source(row: Record) -> Record:
    """The row inside of a hit of Elasticsearch."""
    return row["_source"] if isinstance(row.get("_source"), dict) else row


def _pair(row: Record) -> tuple[Record | None, Any]:
    """The request, and the response where there is one; a row may itself be the request."""
    for key, response_key in PAIRS:
        request = record(_body(unpacked(row.get(key))))
        if request:
            return request, row.get(response_key)
    if not any(key in row for key in ASKED):
        return None, None
    return row, next((row[key] for key in ANSWERS if row.get(key) is not None), None)


def _body(value: Any) -> Any:
    """What was sent, where the log keeps it beside headers or a status."""
    held = unpacked(value)
    if isinstance(held, dict) and "body" in held and not any(key in held for key in (*ASKED, "choices")):
        return held["body"]
    return value


def _last_turn(question: Asked, answered: Answered) -> tuple[Asked, Answered]:
    """Of a conversation without a response: its last turn is the answer."""
    messages, answer = without_answer(question.messages)
    if answer is None:
        return question, answered
    last = Answered(text=answer_of(answer), tool_calls=tool_calls(answer))
    return replace(question, messages=messages), last


def _first_moment(row: Record, keys: tuple[str, ...]) -> float | None:
    return next((read for read in (moment(row.get(key)) for key in keys) if read is not None), None)


def _seconds(row: Record, begin: float | None, end: float | None) -> float | None:
    values = (duration(row.get(key), unit) for key, unit in DURATIONS.items())
    return next((read for read in values if read is not None), between(begin, end))


def _error(row: Record, response: Any) -> str | None:
    values = next(
        (row[key] for key in ("error", "error_details", "errorMessage", "error_message") if row.get(key)), None
    )
    status = count(row.get("statusCode", row.get("status_code"))) or count(record(response).get("status_code"))
    if values is None and status is not None and status >= 400:
        return str(status)
    return error_kind(values)


FORM = RecordForm("openai", "requests of OpenAI's API with their responses, or conversations", knows, read)
