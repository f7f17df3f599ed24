"""What is asked of an engine: a chat completion as the client sent it, held to what this engine does."""

from __future__ import annotations

from typing import Any

from whet.data.refused import RowRefused
from whet.data.rows.messages import clean_messages
from whet.server.errors import ApiError, of_whet, unsupported
from whet.server.inference.bodies import SamplingBody, refuse_unknown
from whet.server.inference.conversation import REFUSED, ChatBody, refuse_lonely_top
from whet.server.inference.engines.kinds import Kind
from whet.server.inference.words.guides import schema_of
from whet.server.inference.words.messages import checked_messages
from whet.server.inference.words.tools import read_tools

STREAM = {"stream": True, "stream_options": {"include_usage": True}}
"""Always: a stream ends when nobody reads it, and says in the end what was read and written."""
PASSED = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "seed", "n", "stop", "logit_bias",
          "top_k", "min_p")  # fmt: skip


def chat_request(body: ChatBody, kind: Kind, model: str) -> dict[str, Any]:
    """`model` is its name there. Raises ApiError for what cannot be asked here or there."""
    refuse_unknown(body, REFUSED)
    refuse_lonely_top(body)
    asked = sampling(body, kind) | {"model": model, "messages": _messages(body, kind)} | STREAM
    asked |= _limit(body, kind) | _tools(body, kind)

    if body.logprobs:
        asked |= {"logprobs": True, "top_logprobs": body.top_logprobs or 0}
    if schema_of(body.response_format)[1]:
        assert body.response_format is not None
        asked["response_format"] = body.response_format.model_dump(by_alias=True, exclude_none=True)
    return asked


def sampling(body: SamplingBody, kind: Kind) -> dict[str, Any]:
    """How tokens are chosen. Raises ApiError."""
    _ = body.stops, body.wants_usage  # both refuse what they cannot be
    given = {key: getattr(body, key) for key in PASSED if getattr(body, key) is not None}
    for key in given:
        if key in kind.refused:
            raise unsupported(key, kind.refused[key])

    least, most = kind.seeds
    if not least <= given.get("seed", least) <= most:
        what = f"seed: this engine takes {least} to {most}."
        raise ApiError(400, what, code="invalid_value", param="seed")
    wrong = next((token for token in given.get("logit_bias", {}) if not (token.isascii() and token.isdecimal())), None)
    if wrong is not None:
        what = f"logit_bias: {wrong!r} is no token, which has a number."
        raise ApiError(400, what, code="invalid_value", param="logit_bias")
    return dict(kind.neutral) | given


def _messages(body: ChatBody, kind: Kind) -> list[dict[str, Any]]:
    kept = checked_messages(body.messages)
    try:
        clean_messages([one | {"role": "system"} if one["role"] == "developer" else one for one in kept])
    except RowRefused as error:
        raise of_whet(error, "messages") from error
    if kind.developer:
        return kept
    return [message | {"role": "system"} if message["role"] == "developer" else message for message in kept]


def _limit(body: ChatBody, kind: Kind) -> dict[str, int]:
    limit = body.max_completion_tokens or body.max_tokens
    if limit is None:
        return {}
    if kind.max_tokens or body.max_completion_tokens is None:
        return {"max_tokens": limit}
    return {"max_completion_tokens": limit}


def _tools(body: ChatBody, kind: Kind) -> dict[str, Any]:
    use = read_tools(body.tools, body.tool_choice, body.parallel_tool_calls)
    if use.strict and "strict" in kind.refused:
        raise unsupported("tools", kind.refused["strict"])
    if use.only is not None and "tool_choice" in kind.refused:
        raise unsupported("tool_choice", kind.refused["tool_choice"])
    if not use.parallel and "parallel_tool_calls" in kind.refused:
        raise unsupported("parallel_tool_calls", kind.refused["parallel_tool_calls"])
    if not use.tools:
        return {}

    asked: dict[str, Any] = {"tools": body.tools}
    if body.tool_choice is not None:
        asked["tool_choice"] = body.tool_choice
    if body.parallel_tool_calls is not None:
        asked["parallel_tool_calls"] = body.parallel_tool_calls
    return asked
