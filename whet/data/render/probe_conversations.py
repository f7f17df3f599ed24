"""Small conversations that show how a chat template ends a turn and writes a tool call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from whet.data.render.chat_template import Render, TemplateRaised
from whet.types import Message

Tools = list[dict[str, Any]] | None


def probes(arguments_as_text: bool) -> list[tuple[list[Message], Tools]]:
    """Conversations with one answer, with a question after it, and (the last one) with tools."""
    ask: list[Message] = [{"role": "user", "content": "a"}]
    answer: Message = {"role": "assistant", "content": "b"}
    arguments: Any = '{"key": "value"}' if arguments_as_text else {"key": "value"}
    call = {"id": "abcdef123", "type": "function", "function": {"name": "look", "arguments": arguments}}
    result = {"role": "tool", "content": "c", "name": "look", "tool_call_id": "abcdef123"}
    schema = {"type": "object", "properties": {"key": {"type": "string", "description": "e"}}, "required": ["key"]}
    tools = [{"type": "function", "function": {"name": "look", "description": "d", "parameters": schema}}]
    use = [*ask, {"role": "assistant", "content": "", "tool_calls": [call]}, result, answer]

    return [([*ask, answer], None), ([*ask, answer, *ask], None), (use, tools)]


def wants_text_arguments(bound: Callable[[Tools], Render]) -> bool:
    """True for the few templates that join tool arguments as text and fail on an object, which others expect."""
    accepted = []
    for as_text in (False, True):
        messages, tools = probes(as_text)[-1]
        try:
            bound(tools)(messages, prompt=False)
        except TemplateRaised:
            continue
        accepted.append(as_text)

    return accepted == [True]
