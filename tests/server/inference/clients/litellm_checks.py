"""What litellm makes of the service. Its last line is JSON, a result for each name.

Given: the URL as far as /v1, a key, and the names of a tuned model and of two classifiers.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from typing import Any

import litellm

URL, KEY, TUNED, MOOD, HARM = sys.argv[1:6]
MESSAGES = [{"role": "user", "content": "Where is order 48213?"}]
CITY = {
    "type": "object", "properties": {"city": {"enum": ["Paris", "Oslo"]}}, "required": ["city"],
    "additionalProperties": False,
}  # fmt: skip
WEATHER = {"type": "function", "function": {"name": "get_weather", "description": "Weather.", "parameters": CITY}}
SERVICE: dict[str, Any] = {"api_base": URL, "api_key": KEY, "max_retries": 0}


def ask(model: str, **more: Any) -> Any:
    return litellm.completion(model=f"openai/{model}", messages=MESSAGES, temperature=0, **SERVICE | more)


def chat() -> Any:
    answer = ask(TUNED, max_tokens=8)
    return {"text": answer.choices[0].message.content, "usage": answer.usage.model_dump()}


def stream() -> Any:
    chunks = list(ask(TUNED, max_tokens=8, stream=True, stream_options={"include_usage": True}))
    whole = litellm.stream_chunk_builder(chunks, messages=MESSAGES)
    parts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    return {"parts": parts, "text": whole.choices[0].message.content, "usage": whole.usage.model_dump()}


def tool() -> Any:
    (call,) = ask("nano", tools=[WEATHER], tool_choice="required").choices[0].message.tool_calls
    return {"name": call.function.name, "arguments": json.loads(call.function.arguments)}


def vectors() -> Any:
    answer = litellm.embedding(model=f"openai/{MOOD}", input=["a", "b"], **SERVICE)
    return [one["embedding"] for one in answer.data]


def moderation() -> Any:
    return litellm.moderation(input="I hate it all", model=HARM, api_base=URL, api_key=KEY).results[0].model_dump()


def errors() -> Any:
    return {
        "missing": refusal(lambda: ask("gpt-9")),
        "unknown": refusal(lambda: ask("nano", thinking={"type": "enabled"}, allowed_openai_params=["thinking"])),
        "key": refusal(lambda: ask("nano", api_key="wk-no")),
        "long": refusal(lambda: litellm.completion(model="openai/nano", messages=long(), **SERVICE)),
    }


def long() -> list[dict[str, str]]:
    return [{"role": "user", "content": "sea " * 5000}]


def refusal(asked: Callable[[], Any]) -> Any:
    try:
        asked()
    except Exception as error:
        return {"class": type(error).__name__, "status": getattr(error, "status_code", None)}
    return None


def models() -> Any:
    return litellm.get_valid_models(
        check_provider_endpoint=True, custom_llm_provider="openai", api_key=KEY, api_base=URL.removesuffix("/v1")
    )


results = {}
for check in (chat, stream, tool, vectors, moderation, errors, models):
    try:
        results[check.__name__] = check()
    except Exception:
        results[check.__name__] = {"failed": traceback.format_exc()}
print(json.dumps(results))
