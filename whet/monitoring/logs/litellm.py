"""LiteLLM's StandardLoggingPayload, which its proxy and its callbacks write for every request, answered or failed
(docs.litellm.ai/docs/proxy/logging_spec)."""

from __future__ import annotations

from typing import Any

from whet.monitoring.logs.contents.openai_calls import answered_of, asked_of, version_of
from whet.monitoring.logs.contents.values import (
    Record,
    between,
    count,
    dollars,
    error_kind,
    first_name,
    moment,
    record,
    unpacked,
    written,
)
from whet.monitoring.logs.form import RecordForm
from whet.monitoring.trace import Trace

REDACTED = "redacted-by-litellm"
"""What stands in the place of content that was not to be kept."""
NO_ANSWERS = (
    "embedding moderation image speech transcription rerank vector_store file batch fine_tuning assistants ocr search "
    "video list_ retrieve"
).split()
"""Parts of a `call_type` whose requests ask no model for words."""


def knows(payload: Record) -> bool:
    payload = _payload(payload)
    return {"call_type", "startTime", "endTime"} <= payload.keys() and bool(
        payload.keys() & {"model_parameters", "hidden_params", "response_cost", "status"}
    )


def read(payload: Record, where: str) -> list[Trace]:
    payload = _payload(payload)
    if any(part in str(payload["call_type"]) for part in NO_ANSWERS):
        return []

    parameters, metadata = record(payload.get("model_parameters")), record(payload.get("metadata"))
    question = asked_of(parameters | {"messages": _kept(payload.get("messages"))})
    answered = answered_of(_kept(payload.get("response")))
    failed = _failure(payload) or answered.error
    begin, end = moment(payload["startTime"]), moment(payload["endTime"])
    trace = Trace(
        id=first_name(payload.get("id"), answered.id) or where,
        where=where,
        at=begin,
        model=first_name(payload.get("model_group"), payload.get("model")),
        workload=_workload(payload),
        client=_client(payload, metadata),
        conversation=first_name(payload.get("trace_id")),
        messages=question.messages,
        tools=question.tools,
        answer=None if failed else answered.text,
        tool_calls=answered.tool_calls,
        finish_reason=answered.finish_reason,
        schema=question.schema,
        prompt_tokens=None if failed else count(payload.get("prompt_tokens")),
        answer_tokens=None if failed else count(payload.get("completion_tokens")),
        seconds=between(begin, end),
        first_token_seconds=_first_token(payload, parameters, begin),
        error=failed,
        version=version_of(first_name(payload.get("model_group")), first_name(payload.get("model"))),
        usd=None if failed else dollars(payload.get("response_cost")),
    )
    return [trace]


def _payload(item: Record) -> Record:
    """The payload, also where the arguments of a callback were written with it."""
    inner = item.get("standard_logging_object")
    return inner if isinstance(inner, dict) else item


def _kept(content: Any) -> Any:
    content = unpacked(content)
    return None if isinstance(content, str | list | dict) and REDACTED in written(content) else content


def _failure(payload: Record) -> str | None:
    if payload.get("status") != "failure":
        return None
    details = record(payload.get("error_information"))
    kind = first_name(details.get("error_class"), details.get("error_code"))
    return kind or error_kind(payload.get("error_str")) or "error"


def _workload(payload: Record) -> str | None:
    """The first tag of the request that a person gave: the proxy adds one with the client's program."""
    tags = payload.get("request_tags")
    given = [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
    return first_name(*(tag for tag in given if not tag.startswith("User-Agent:")))


def _client(payload: Record, metadata: Record) -> str | None:
    keys = ("user_api_key_end_user_id", "user_api_key_user_id", "user_api_key_alias", "user_api_key_hash")
    return first_name(payload.get("end_user"), *(metadata.get(key) for key in keys))


def _first_token(payload: Record, parameters: Record, begin: float | None) -> float | None:
    """Of a stream alone: else LiteLLM writes the end in its place."""
    if payload.get("stream") or parameters.get("stream"):
        return between(begin, moment(payload.get("completionStartTime")))
    return None


FORM = RecordForm("litellm", "LiteLLM's StandardLoggingPayload", knows, read)
