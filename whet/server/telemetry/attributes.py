"""The names of OpenTelemetry's conventions for generative models, and what of a request and its answer they hold.

https://github.com/open-telemetry/semantic-conventions-genai; the names are in development there, and may change.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from whet.server.telemetry.watch import Watch

PROVIDER = "whet"
OPERATIONS = {
    "/v1/chat/completions": "chat",
    "/v1/responses": "chat",
    "/v1/completions": "text_completion",
    "/v1/embeddings": "embeddings",
    "/v1/moderations": "moderation",
    "/v1/classify": "classify",
}
"""What a path asks a model for. The last two are no words of the conventions, which leave others free."""
ASKED: dict[str, tuple[str, type | tuple[type, ...]]] = {
    "temperature": ("gen_ai.request.temperature", (int, float)),
    "top_p": ("gen_ai.request.top_p", (int, float)),
    "top_k": ("gen_ai.request.top_k", int),
    "frequency_penalty": ("gen_ai.request.frequency_penalty", (int, float)),
    "presence_penalty": ("gen_ai.request.presence_penalty", (int, float)),
    "max_tokens": ("gen_ai.request.max_tokens", int),
    "max_output_tokens": ("gen_ai.request.max_tokens", int),
    "max_completion_tokens": ("gen_ai.request.max_tokens", int),
    "seed": ("gen_ai.request.seed", int),
    "encoding_format": ("gen_ai.request.encoding_formats", str),
}
"""The name and type of a value of a request, by its key."""
REALS = ("temperature", "top_p", "frequency_penalty", "presence_penalty")


def of_request(operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """What a request asks for, without a word of its content. A value of a wrong type is left out: it is refused."""
    found: dict[str, Any] = {"gen_ai.operation.name": operation, "gen_ai.provider.name": PROVIDER}
    if isinstance(body.get("model"), str):
        found["gen_ai.request.model"] = body["model"]
    for key in ASKED.keys() & body.keys():
        (name, kind), value = ASKED[key], body[key]
        if isinstance(value, kind) and not isinstance(value, bool):
            found[name] = float(value) if key in REALS else value
    if "gen_ai.request.encoding_formats" in found:
        found["gen_ai.request.encoding_formats"] = [found["gen_ai.request.encoding_formats"]]

    if body.get("stream") is True:
        found["gen_ai.request.stream"] = True
    count = body.get("n")
    if isinstance(count, int) and count != 1:
        found["gen_ai.request.choice.count"] = count
    return found | _of_format(body)


def _of_format(body: Mapping[str, Any]) -> dict[str, Any]:
    wanted = body.get("response_format")
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    names = {"text": "text", "json_object": "json", "json_schema": "json"}
    return {"gen_ai.output.type": names[kind]} if isinstance(kind, str) and kind in names else {}


def of_answer(watch: Watch, streamed: bool) -> dict[str, Any]:
    """What the answer cost, and how it ended."""
    found: dict[str, Any] = {
        "gen_ai.response.model": watch.model,
        "gen_ai.response.id": watch.response,
        "gen_ai.usage.input_tokens": watch.read,
        "gen_ai.usage.output_tokens": watch.written,
        "gen_ai.response.time_to_first_chunk": watch.first if streamed else None,
    }
    reasons = [watch.ends[place] for place in sorted(watch.ends) if watch.ends[place] != "abort"]
    if reasons:
        found["gen_ai.response.finish_reasons"] = reasons
    return {name: value for name, value in found.items() if value is not None}


# ---- content, where it is asked for


def content_of_request(body: Mapping[str, Any]) -> dict[str, str]:
    """What the model was told, as JSON."""
    given = next((body[key] for key in ("messages", "prompt", "input") if key in body), None)
    if given is None:
        return {}
    listed = given if isinstance(given, list) else [given]
    found = {"gen_ai.input.messages": _json([_message(one) for one in listed])}
    if isinstance(body.get("instructions"), str):
        found["gen_ai.system_instructions"] = _json([_text(body["instructions"])])
    return found


def content_of_answer(answer: Mapping[str, Any] | None) -> dict[str, str]:
    """What an answer says, as JSON."""
    choices = (answer or {}).get("choices") or []
    said = []
    for choice in choices:
        message = choice.get("message") or {"role": "assistant", "content": choice.get("text")}
        said.append(_message(message) | {"finish_reason": choice.get("finish_reason")})
    for item in (answer or {}).get("output") or []:
        said.append(_message(item | {"role": "assistant"}))
    return {"gen_ai.output.messages": _json(said)} if said else {}


def _message(given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        return {"role": "user", "parts": [_text(given)]}
    content = given.get("content")
    listed = content if isinstance(content, list) else [content]
    texts = [one.get("text") if isinstance(one, dict) else one for one in listed]
    parts: list[dict[str, Any]] = [_text(text) for text in texts if text]
    if given.get("role") == "tool":
        parts = [{"type": "tool_call_response", "id": given.get("tool_call_id"), "response": content}]
    for call in given.get("tool_calls") or []:
        function = call.get("function") or {}
        parts.append({"type": "tool_call", "id": call.get("id"), "name": function.get("name"),
                      "arguments": function.get("arguments")})  # fmt: skip
    return {"role": given.get("role", "user"), "parts": parts}


def _text(text: Any) -> dict[str, Any]:
    return {"type": "text", "content": text}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
