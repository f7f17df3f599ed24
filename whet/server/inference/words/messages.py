"""Messages as OpenAI's clients send them, to those that the templates see; read as rows of data are."""

from __future__ import annotations

from typing import Any

from whet.data.refused import RowRefused
from whet.data.rows.messages import TEXT_PARTS, clean_messages
from whet.errors import nearest
from whet.server.errors import ApiError, of_whet, unsupported
from whet.server.inference.words.wording import Wording
from whet.types import Message

ROLES = ("system", "developer", "user", "assistant", "tool")
KEYS = ("role", "content", "name", "tool_calls", "tool_call_id", "reasoning_content")
EMPTY = ("refusal", "annotations", "audio", "function_call")
"""Keys of an answer that a client sends back as it got it; what they hold is not supported."""
PART_KEYS = ("type", "text", "annotations", "logprobs", "cache_control", "prompt_cache_breakpoint")
"""Of a part that is text. The last two say what may be kept for a next request, and change no answer."""


def read_messages(given: list[dict[str, Any]], wording: Wording) -> list[Message]:
    """Raises ApiError, with the place of what is wrong."""
    kept = checked_messages(given)
    if not _knows_developer(wording):
        kept = [message | {"role": "system"} if message["role"] == "developer" else message for message in kept]
    try:
        return clean_messages(kept)
    except RowRefused as error:
        raise of_whet(error, "messages") from error


def checked_messages(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As they came, without keys that hold nothing. Raises ApiError, with the place of what is wrong."""
    if not given:
        raise ApiError(400, "messages is empty: send at least one.", code="invalid_value", param="messages")
    for number, message in enumerate(given):
        _refuse_message(message, f"messages.{number}")
    return [{key: value for key, value in message.items() if key not in EMPTY} for message in given]


def _knows_developer(wording: Wording) -> bool:
    """OpenAI's name for system since 2024; a template that does not know it would refuse it, or leave it out."""
    return any("developer" in template for template in wording.renderer.templates.values())


def _refuse_message(message: dict[str, Any], where: str) -> None:
    role = message.get("role")
    if role == "function":
        raise unsupported(f"{where}.role", "functions are OpenAI's legacy form; send tools and the role 'tool'.")
    if role not in ROLES:
        what = f"{where}.role must be one of {', '.join(ROLES)}, and is {role!r}."
        raise ApiError(400, what, code="invalid_value", param=f"{where}.role")

    for key, value in message.items():
        if value is None or value == [] or key in KEYS:
            continue
        if key in EMPTY:
            raise unsupported(f"{where}.{key}", "this service reads texts and tool calls.")
        what = f"Unknown parameter: '{where}.{key}'{nearest(key, KEYS)}"
        raise ApiError(400, what, code="unknown_parameter", param=f"{where}.{key}")

    _refuse_content(message, where)
    for key in ("name", "tool_call_id", "reasoning_content"):
        if message.get(key) is not None and not isinstance(message[key], str):
            raise ApiError(400, f"{where}.{key} must be a text.", code="invalid_value", param=f"{where}.{key}")
    if message.get("tool_calls") and role != "assistant":
        what = f"{where}.tool_calls: only the role 'assistant' calls tools."
        raise ApiError(400, what, code="invalid_value", param=f"{where}.tool_calls")


def _refuse_content(message: dict[str, Any], where: str) -> None:
    content = message.get("content")
    if content is None:
        if message.get("tool_calls"):
            return
        raise ApiError(400, f"{where}.content is missing.", code="invalid_value", param=f"{where}.content")
    if isinstance(content, str):
        return
    if not isinstance(content, list) or not content:
        what = f"{where}.content must be a text or a list of parts."
        raise ApiError(400, what, code="invalid_value", param=f"{where}.content")

    for number, part in enumerate(content):
        place = f"{where}.content.{number}"
        kind = part.get("type") if isinstance(part, dict) else None
        if not isinstance(kind, str):
            raise ApiError(400, f"{place} has no type.", code="invalid_value", param=place)
        if kind not in TEXT_PARTS:
            raise unsupported(place, f"a part of the type {kind!r} is no text, and this service reads texts.")
        if not isinstance(part.get("text"), str):
            raise ApiError(400, f"{place}.text must be a text.", code="invalid_value", param=f"{place}.text")
        for key in part:
            if key not in PART_KEYS:
                what = f"Unknown parameter: '{place}.{key}'{nearest(key, PART_KEYS)}"
                raise ApiError(400, what, code="unknown_parameter", param=f"{place}.{key}")
