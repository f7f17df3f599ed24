"""No field of a row may vanish in the rendering: a template that ignores tools or a system prompt is found out here.

Two checks complement each other. `check_words` looks for the row's own words in its own rendering, for a trained turn
within the supervised span. `check_structure` renders the same conversation with a distinct sentinel word in every
message, so that a short word which occurs elsewhere, too, cannot hide a message that the template leaves out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from whet.data.refused import RowRefused
from whet.data.render.chat_template import Render, TemplateRaised
from whet.data.render.turn_spans import SENTINEL, Turn
from whet.types import Message

_THINK = re.compile(r"</?think>")
REASONING = {"reasoning_content", "reasoning", "thinking", "thought"}
_NOT_WORDS = {"role", "name", "weight", "id", "type", "tool_call_id", "content", "tool_calls"}
"""Keys that templates use for bookkeeping or not at all, and the two that have rules of their own."""


def check_words(
    messages: Sequence[Message], tools: list[dict[str, Any]] | None, text: str, turns: Mapping[int, Turn]
) -> None:
    """Every content, tool call, tool and reasoning of the row must be in `text`; `turns` are the trained ones.

    Raises RowRefused `field-vanishes`. Reasoning of a turn that is not trained may vanish: many templates remove it
    from history on purpose, and do so in serving too.
    """
    for number, message in enumerate(messages):
        turn = turns.get(number)
        if turn is None:
            haystack = text
        else:
            haystack = text[turn.start : turn.words_end]

        for field, value in _words(message, trained=turn is not None or message["role"] != "assistant"):
            if not _found(value, haystack):
                raise _refuse_missing(f"message {number + 1} ({message['role']}), {field}", value, turn is not None)

    for number, tool in enumerate(tools or []):
        for field, value in _tool_words(tool):
            if not _found(value, text):
                raise _refuse_missing(f"tool {number + 1}, {field}", value, False)


def check_structure(render: Render, messages: Sequence[Message]) -> None:
    """Every message's content must have a place in the rendering. Raises RowRefused `field-vanishes`."""
    marked = []
    for number, message in enumerate(messages):
        plain = isinstance(message.get("content"), str) and message["content"].strip()
        marked.append({**message, "content": _mark(number)} if plain else message)

    try:
        text = render(marked, prompt=False)
    except TemplateRaised:  # the template reads the content itself; the row's own words were checked
        return

    for number, message in enumerate(marked):
        if message.get("content") == _mark(number) and _mark(number) not in text:
            name = f"message {number + 1} ({message['role']}), content"
            raise _refuse_missing(name, messages[number]["content"], False)


def shape_of(messages: Sequence[Message], tools: list[dict[str, Any]] | None) -> tuple[Any, ...]:
    """What a template can tell apart without reading words: conversations of one shape are checked once."""
    turns = tuple(
        (message["role"], tuple(sorted(message)), bool(message.get("content")), len(message.get("tool_calls") or ()))
        for message in messages
    )
    return turns, bool(tools)


def strings_in(value: Any) -> list[str]:
    """Every string within a message or a tool, keys of tool schemas included."""
    found: list[str] = []
    _collect(value, found)
    return found


def _collect(value: Any, found: list[str]) -> None:
    if isinstance(value, str):
        found.append(value)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            found.append(str(key))
            if isinstance(inner, str):
                found.append(inner)
            else:
                _collect(inner, found)
    elif isinstance(value, list | tuple):
        for inner in value:
            _collect(inner, found)


def _mark(number: int) -> str:
    return f"{SENTINEL}{number}end"


def _words(message: Message, trained: bool) -> Iterator[tuple[str, Any]]:
    """(name, value) of everything in a message that must be seen."""
    content = message.get("content")
    if isinstance(content, str):
        parts = _THINK.split(content)
        for part in parts if trained else parts[-1:]:
            yield "content", part
    else:
        for part in content or []:
            yield "content", part.get("text") or part.get("name") or ""

    for call in message.get("tool_calls") or []:
        function = call.get("function", call)
        yield "tool call, name", function.get("name", "")

        for key, leaf in _leaves(function.get("arguments")):
            yield f"tool call, {key or 'arguments'}", leaf

    for key, value in message.items():
        if key not in _NOT_WORDS and isinstance(value, str) and (trained or key not in REASONING):
            yield key, value


def _tool_words(tool: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    function = tool.get("function", tool)
    yield "name", str(function.get("name", ""))
    yield "description", str(function.get("description") or "")
    for parameter in (function.get("parameters") or {}).get("properties") or {}:
        yield f"parameter {parameter}", str(parameter)


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield f"argument name {name}", str(name)
            yield from _leaves(inner, f"argument {name}")
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, key)
    else:
        yield key, value


def _found(value: Any, haystack: str) -> bool:
    """True when the value is in the text as it is, or as JSON or Python would write it."""
    if not isinstance(value, str):
        return json.dumps(value, default=str) in haystack or str(value) in haystack
    word = value.strip()
    if word in haystack:
        return True
    forms = (json.dumps(word, ensure_ascii=False), json.dumps(word), repr(word))
    return any(form[1:-1] in haystack for form in forms)


def _refuse_missing(field: str, value: Any, trained: bool) -> RowRefused:
    if trained:
        where = "the text to be learned"
    else:
        where = "the rendered text"

    return RowRefused(
        "field-vanishes",
        f"{field} does not appear in {where}: the base's chat template leaves it out",
        value=value,
        fix="remove the field or move its words into another message"
        + ("; for an earlier answer with thinking, give it weight 0" if trained else "")
        + "; or use a base whose template supports it",
    )
