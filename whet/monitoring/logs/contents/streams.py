"""A streamed response, as a log keeps it in pieces, put together into the one that the client saw."""

from __future__ import annotations

from typing import Any

from whet.monitoring.logs.contents.json_text import Unreadable, parsed
from whet.monitoring.logs.contents.values import Record, record, records


def is_event_stream(text: str) -> bool:
    """Whether the text is a stream as it went over the line: `data: {...}` and so on."""
    return text.lstrip().startswith(("data:", "event:"))


def of_event_stream(text: str) -> list[Record]:
    """The objects of such a stream; what was cut off is left out."""
    objects = []
    for line in text.splitlines():
        payload = line.removeprefix("data:").strip()
        if not line.startswith("data:") or payload == "[DONE]":
            continue
        try:
            value = parsed(payload)
        except Unreadable:
            continue
        if isinstance(value, dict):
            objects.append(value)
    return objects


def is_chunk(item: Record) -> bool:
    """Whether the object is a piece of a stream of OpenAI's API."""
    choices = records(item.get("choices"))
    return str(item.get("object", "")).endswith(".chunk") or any("delta" in choice for choice in choices)


def merged(chunks: list[Record]) -> Record:
    """The response that these chunks stream: the first choice, its texts and arguments joined, and the last usage."""
    response: Record = {}
    texts: list[str] = []
    calls: dict[int, Record] = {}
    finish: Any = None
    for chunk in chunks:
        response |= {key: value for key, value in chunk.items() if value is not None and key != "choices"}
        for choice in records(chunk.get("choices")):
            if choice.get("index") in (0, None):
                finish = choice.get("finish_reason") or finish
                _add_delta(record(choice.get("delta")) or {"content": choice.get("text")}, texts, calls)

    message: Record = {"role": "assistant", "content": "".join(texts) if texts or not calls else None}
    if calls:
        message["tool_calls"] = [calls[index] for index in sorted(calls)]
    return response | {"choices": [{"index": 0, "message": message, "finish_reason": finish}]}


def _add_delta(delta: Record, texts: list[str], calls: dict[int, Record]) -> None:
    if isinstance(delta.get("content"), str):
        texts.append(delta["content"])
    for piece in records(delta.get("tool_calls")):
        index = piece["index"] if isinstance(piece.get("index"), int) else len(calls)
        call = calls.setdefault(index, {"id": None, "type": "function", "function": {"name": "", "arguments": ""}})
        call["id"] = call["id"] or piece.get("id")
        for key in ("name", "arguments"):
            call["function"][key] += str(record(piece.get("function")).get(key) or "")
