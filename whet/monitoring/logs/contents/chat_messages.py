"""Messages as OpenAI's API writes them, out of what logs hold in their place: a text, LangChain's words, Anthropic's
blocks, items of the Responses API."""

from __future__ import annotations

from typing import Any

from whet.monitoring.logs.contents.json_text import Unreadable
from whet.monitoring.logs.contents.values import Record, first_name, name, record, records, unpacked, written
from whet.monitoring.trace import text_of
from whet.types import Message

LANGCHAIN_ROLES = {"human": "user", "ai": "assistant", "model": "assistant", "function": "tool"}
FINISHES = {
    "stop": "stop end_turn stop_sequence eos eos_token complete completed finished",
    "length": "length max_tokens max_output_tokens model_length token_limit incomplete",
    "tool_calls": "tool_calls tool_call tool_use function_call tool-calls",
    "content_filter": "content_filter content-filter content_filtered safety refusal guardrail_intervened recitation",
}
"""OpenAI's word, and what servers and conventions write for it, in any case."""
_FINISH = {word: finish for finish, words in FINISHES.items() for word in words.split()}
FAILURES = ("abort", "aborted", "error", "cancelled", "canceled", "failed")
"""Finish reasons that tell of a failure."""


def finish_word(value: object) -> str | None:
    """OpenAI's word for a finish reason; an unknown one as it is, in small letters. None for a failure."""
    word = (name(value) or "").lower().removeprefix("finishreason.")
    if not word or word in FAILURES:
        return None
    return _FINISH.get(word, word)


def failure_word(value: object) -> str | None:
    """The finish reason, where it tells of a failure."""
    word = (name(value) or "").lower()
    return word if word in FAILURES else None


def messages_of(value: object) -> list[Message]:
    """The messages of a request, from a list of them, an object that holds it, or a text, which a user said. Raises
    Unreadable for anything else."""
    value = unpacked(value)
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    if isinstance(value, dict):
        return _of_object(value)
    if not isinstance(value, list):
        raise Unreadable(f"messages are {type(value).__name__}, not a list")
    if len(value) == 1 and isinstance(value[0], list):  # LangChain's batch of one
        return messages_of(value[0])

    read: list[Message] = []
    for position, item in enumerate(value):
        message = _message(unpacked(item))
        if message is None:
            raise Unreadable(f"messages[{position}] is no message with a role")
        if message:
            read.append(message)
    return read


def _of_object(value: Record) -> list[Message]:
    system = value.get("system") or value.get("instructions")
    before: list[Message] = [{"role": "system", "content": text_of({"content": system})}] if system else []
    for key in ("messages", "input", "prompt"):
        if value.get(key):
            return before + messages_of(value[key])
    if "role" in value or "type" in value:
        return messages_of([value])
    return [{"role": "user", "content": written(value)}] if value else []


def _message(item: Any) -> Message | None:
    """An empty one for what is no turn, such as reasoning; None for what is not understood."""
    if isinstance(item, str):
        return {"role": "user", "content": item}
    if not isinstance(item, dict):
        return None
    if isinstance(item.get("role"), str):
        return _turn(item)

    kind = item.get("type")
    if kind == "function_call":
        return {"role": "assistant", "content": None, "tool_calls": [tool_call(item)]}
    if kind == "function_call_output":
        return {"role": "tool", "tool_call_id": item.get("call_id"), "content": written(item.get("output") or "")}
    if kind in ("reasoning", "item_reference"):
        return {}
    held = item["data"] if isinstance(item.get("data"), dict) else item
    if isinstance(kind, str) and "content" in held:
        return _turn({"role": kind, "content": held["content"], "tool_calls": held.get("tool_calls")})
    return None


def _turn(item: Record) -> Message:
    """The message without empty fields, with the role and the calls in OpenAI's words."""
    message = {key: value for key, value in item.items() if value is not None or key == "content"}
    message["role"] = LANGCHAIN_ROLES.get(item["role"], item["role"])
    if isinstance(message.get("content"), dict):
        message["content"] = written(message["content"])
    calls = tool_calls(item)
    message.pop("tool_calls", None)
    if calls:
        message["tool_calls"] = calls
    return message


def tool_calls(message: Record) -> list[dict[str, Any]] | None:
    """The calls of a message in OpenAI's form, also of an old `function_call` and of Anthropic's blocks; else None."""
    calls = records(message.get("tool_calls"))
    if isinstance(message.get("function_call"), dict):
        calls = [*calls, message["function_call"]]
    if isinstance(message.get("content"), list):
        calls += [part for part in records(message["content"]) if part.get("type") in ("tool_use", "tool_call")]
    return [tool_call(item) for item in calls] or None


def tool_call(item: Record) -> dict[str, Any]:
    """One call in OpenAI's form: the arguments are a text of JSON."""
    function = record(item.get("function")) or item
    arguments = function.get("arguments", function.get("input", function.get("args")))
    return {
        "id": first_name(item.get("call_id"), item.get("id")),
        "type": "function",
        "function": {"name": name(function.get("name")), "arguments": written({} if arguments is None else arguments)},
    }


def tools_of(value: object) -> list[dict[str, Any]] | None:
    """The tools of a request in OpenAI's form; None without any."""
    calls = []
    for item in records(value):
        inner = record(item.get("function"))
        if inner or not name(item.get("name")):
            calls.append(item)
        else:
            parameters = item.get("parameters", item.get("input_schema"))
            shape = {"name": item["name"], "description": item.get("description"), "parameters": parameters}
            calls.append({"type": "function", "function": {key: part for key, part in shape.items() if part}})
    return calls or None


def answer_of(message: Record) -> str | None:
    """The words of an answer; of a refusal, those. None where there is no text."""
    content = message.get("content")
    if isinstance(content, dict):
        return written(content)
    if isinstance(content, str):
        return content
    return text_of(message) or name(message.get("refusal"))


def without_answer(messages: list[Message]) -> tuple[list[Message], Message | None]:
    """A conversation without the assistant's last turn, and that turn, where it ends so."""
    if messages and messages[-1].get("role") == "assistant":
        return messages[:-1], messages[-1]
    return messages, None
