"""Messages of several dialects (OpenAI, ShareGPT) to one: role, content, tool_calls with arguments as objects.

What a template would only see as a strange role or a text within a text is refused or made plain here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from whet.data.read import strict_json as strictjson
from whet.data.refused import RowRefused
from whet.data.rows.roles import DIALECT, ROLES, setting_for
from whet.errors import DataError, nearest
from whet.types import Message


def clean_messages(value: Any) -> list[Message]:
    """A list of messages in OpenAI form. Raises RowRefused."""
    if isinstance(value, str):
        value = _parse(value, "the messages")
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise RowRefused("wrong-type", "the messages must be a list of objects", value=value, fix="write a list")
    _refuse_unknown_roles(value)
    messages: list[Message] = []

    calls = 0
    for number, item in enumerate(value, start=1):
        message = _message({key: inner for key, inner in item.items() if inner is not None}, number)
        calls = _link(message, messages, calls)
        messages.append(message)

    return messages


def items_of(value: Any) -> Any:
    """The list that a text holds as JSON, as a table's cell does; anything else as it is."""
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return value
    try:
        return strictjson.parse(value, "", 1)
    except DataError:
        return value  # whoever reads it says what is wrong


def not_messages(name: str, value: Any) -> DataError | None:
    """Why a column that looks like messages cannot be read as such; None where it does not look so."""
    if isinstance(value, str) and re.match(r"\s*\[\s*\{\s*'", value):
        what = f"the column {name!r} holds lists as Python shows them, which are no JSON"
        return DataError(what, value=value, fix="write them with json.dumps; or write JSON Lines instead of a table")
    items = items_of(value)
    if not isinstance(items, list) or not items or not all(isinstance(item, Mapping) for item in items):
        return None
    keys = ", ".join(map(repr, items[0]))
    what = f"the column {name!r} lists objects with the keys {keys}"
    return DataError(f"{what}, and messages have role and content or from and value", fix="rename these keys")


def clean_tools(value: Any) -> list[dict[str, Any]] | None:
    """Tools as a list of {"type": "function", "function": {...}}; JSON in a text is read. None when there are none."""
    if value in (None, "", []):
        return None
    if isinstance(value, str):
        value = _parse(value, "the tools")
    if not isinstance(value, list) or not all(isinstance(tool, Mapping) for tool in value):
        raise RowRefused("bad-tools", "tools must be a list of objects", value=value, fix="write a list")
    tools = [_without_none(tool) for tool in value]

    return [
        tool if "function" in tool or "parameters" not in tool else {"type": "function", "function": tool}
        for tool in tools
    ] or None


def _refuse_unknown_roles(items: list[Any]) -> None:
    speakers = [item["role"] if item.get("role") is not None else item.get("from") for item in items]
    for number, speaker in enumerate(speakers, start=1):
        if isinstance(speaker, str) and (speaker in ROLES or speaker in DIALECT):
            continue
        fix = f"use one of {', '.join(ROLES[:5])}"

        if speaker is None:
            raise RowRefused("unknown-role", f"message {number} has no role", value=speaker, fix=fix)
        raise RowRefused(
            "unknown-role",
            f"message {number} has an unknown role{nearest(str(speaker), ROLES)}",
            value=speaker,
            fix=f"say who that is: {setting_for(speakers)}; or {fix}",
        )


def _message(item: dict[str, Any], number: int) -> Message:
    role, content = item.pop("role", None) or item.pop("from", None), item.pop("content", None)
    if content is None:
        content = item.pop("value", None)

    if isinstance(role, str):
        role = DIALECT.get(role, role)
    if role == "tool-call":
        calls = _calls(_parse(content, f"message {number}: the tool call"), number)
        return {"role": "assistant", "content": "", "tool_calls": calls, **item}

    legacy = item.pop("function_call", None)
    calls = item.pop("tool_calls", None) or ([{"function": legacy}] if legacy else None)
    message: Message = {"role": role, "content": _content(content, number, bool(calls)), **item}

    if calls:
        message["tool_calls"] = _calls(calls, number)
    return message


TEXT_PARTS = ("text", "input_text", "output_text")
"""Types of a part of a message that is text: of chat completions, and of OpenAI's responses."""


def _content(content: Any, number: int, has_calls: bool) -> Any:
    if content is None and has_calls:
        return ""
    if isinstance(content, list) and all(isinstance(part, Mapping) for part in content):
        if all(part.get("type") in TEXT_PARTS and isinstance(part.get("text"), str) for part in content):
            return "".join(part["text"] for part in content)
        return [dict(part) for part in content]
    if isinstance(content, str):
        return content
    if content is None:
        raise RowRefused("empty-text", f"message {number} has no content", fix="fill it or remove the row")
    raise RowRefused("wrong-type", f"message {number}: the content must be a text", value=content, fix="write a text")


def _calls(value: Any, number: int) -> list[dict[str, Any]]:
    if isinstance(value, list):
        calls = value
    else:
        calls = [value]

    cleaned = []
    for call in calls:
        if isinstance(call, Mapping):
            function = call.get("function", call)
        else:
            function = None

        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise RowRefused(
                "bad-tool-call", f"message {number}: a tool call needs a name", value=call, fix='{"name": ..., ...}'
            )

        arguments = function.get("arguments", {})
        if isinstance(arguments, str):
            if arguments.strip():
                arguments = _parse(arguments, f"message {number}: the tool call's arguments")
            else:
                arguments = {}

        if not isinstance(arguments, Mapping):
            raise RowRefused(
                "bad-tool-call", f"message {number}: arguments must be an object", value=arguments, fix='{"key": ...}'
            )

        if "function" in call:
            outer = _without_none(call)
        else:
            outer = {}

        inner = {"name": function["name"], "arguments": _without_none(arguments)}
        cleaned.append({**outer, "type": "function", "function": inner})

    return cleaned


def _link(message: Message, before: list[Message], calls: int) -> int:
    """Give tool calls and results the ids and names that some templates insist on, where the data has none."""
    for call in message.get("tool_calls") or []:
        call.setdefault("id", f"call{calls:05d}")
        calls += 1

    if message["role"] == "tool":
        earlier = next((m["tool_calls"] for m in reversed(before) if m.get("tool_calls")), None)
        results = 0
        while before and results < len(before) and before[-1 - results]["role"] == "tool":
            results += 1

        if earlier and results < len(earlier):
            message.setdefault("tool_call_id", earlier[results]["id"])
            named = next((call for call in earlier if call["id"] == message["tool_call_id"]), earlier[results])
            message.setdefault("name", named["function"]["name"])

    return calls


def _without_none(value: Any) -> Any:
    """Parquet fills the keys that a row does not have with nulls."""
    if isinstance(value, Mapping):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_without_none(inner) for inner in value]
    return value


def _parse(value: Any, what: str) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return strictjson.parse(value, "", 1)
    except DataError as error:
        raise RowRefused("bad-json", f"{what}: {error.what}", value=value, fix="correct the JSON") from error
