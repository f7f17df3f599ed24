"""What each kind of engine is asked: its own names and limits, and nothing that it would ignore."""

from __future__ import annotations

from typing import Any

import pytest

from whet.errors import InputError
from whet.server.errors import ApiError
from whet.server.inference.conversation import ChatBody
from whet.server.inference.engines.chat_request import chat_request
from whet.server.inference.engines.kinds import KINDS, kind_named, kind_of

TOOL: dict[str, Any] = {"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}
STRICT = {"type": "function", "function": TOOL["function"] | {"strict": True}}
BY_NAME = {"type": "function", "function": {"name": "find"}}
HERE = {"role": "user", "content": "a"}


def asked(kind: str, **more: Any) -> dict[str, Any]:
    body = ChatBody.model_validate({"model": "ours", "messages": [HERE]} | more)
    return chat_request(body, KINDS[kind], "theirs")


@pytest.mark.parametrize(
    ("kind", "off"),
    [
        ("vllm", {"top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}),
        ("sglang", {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}),
        ("llama.cpp", {"top_k": 0, "min_p": 0.0, "repeat_penalty": 1.0}), ("whet", {}),
    ],
)  # fmt: skip
def test_defaults_of_an_engine_are_set_aside(kind: str, off: dict[str, Any]) -> None:
    always = {"model": "theirs", "messages": [HERE], "stream": True, "stream_options": {"include_usage": True}}
    assert asked(kind) == always | {"temperature": 1.0, "top_p": 1.0} | off
    assert asked(kind, temperature=0.5, top_k=7)["top_k"] == 7


def test_a_server_of_which_nothing_is_known_is_told_what_the_client_says() -> None:
    assert set(asked("openai")) == {"model", "messages", "stream", "stream_options"}
    more = {"temperature": 0.0, "seed": 3, "max_completion_tokens": 5, "logit_bias": {"4": -1.0}, "stop": ["x"], "n": 2}
    assert more.items() <= asked("openai", **more).items()
    assert asked("openai", max_tokens=5)["max_tokens"] == 5


@pytest.mark.parametrize("kind", ["vllm", "sglang", "llama.cpp", "whet"])
def test_the_limit_goes_by_one_name(kind: str) -> None:
    assert asked(kind, max_completion_tokens=5)["max_tokens"] == asked(kind, max_tokens=5)["max_tokens"] == 5
    assert "max_completion_tokens" not in asked(kind, max_completion_tokens=5)


@pytest.mark.parametrize(
    ("kind", "more", "param"),
    [
        ("openai", {"top_k": 5}, "top_k"), ("openai", {"min_p": 0.1}, "min_p"), ("sglang", {"seed": 1}, "seed"),
        ("sglang", {"tools": [TOOL], "parallel_tool_calls": False}, "parallel_tool_calls"),
        ("vllm", {"tools": [STRICT]}, "tools"), ("sglang", {"tools": [STRICT]}, "tools"),
        ("llama.cpp", {"tools": [STRICT]}, "tools"),
        ("llama.cpp", {"tools": [TOOL], "tool_choice": BY_NAME}, "tool_choice"),
        ("llama.cpp", {"seed": 2**32 - 1}, "seed"),
    ],
)  # fmt: skip
def test_what_an_engine_would_ignore_is_refused_for_it(kind: str, more: dict[str, Any], param: str) -> None:
    with pytest.raises(ApiError) as told:
        asked(kind, **more)
    assert (told.value.status, told.value.param) == (400, param)
    asked("whet", **more)


def test_the_name_of_a_system_prompt_is_the_old_one_where_the_new_one_is_unknown() -> None:
    messages = [{"role": "developer", "content": "b"}, HERE]
    assert [one["role"] for one in asked("vllm", messages=messages)["messages"]] == ["system", "user"]
    assert [one["role"] for one in asked("openai", messages=messages)["messages"]] == ["developer", "user"]


def test_calls_and_results_go_on_as_they_came() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "find", "arguments": '{"n": 1}'}}
    messages = [HERE, {"role": "assistant", "content": None, "tool_calls": [call], "refusal": None},
                {"role": "tool", "tool_call_id": "call_1", "content": "7"}]  # fmt: skip
    sent = asked("vllm", messages=messages, tools=[TOOL], tool_choice="auto")
    assert sent["messages"][1] == {"role": "assistant", "content": None, "tool_calls": [call]}
    assert sent["tools"] == [TOOL] and sent["tool_choice"] == "auto"


@pytest.mark.parametrize(
    ("owners", "kind"),
    [(["vllm"], "vllm"), (["sglang"], "sglang"), (["llamacpp"], "llama.cpp"), (["project_1", "whet"], "whet"),
     (["openai", None, 3], "openai"), ([], "openai")],
)  # fmt: skip
def test_an_engine_is_known_by_what_it_lists(owners: list[object], kind: str) -> None:
    assert kind_of(owners).name == kind


def test_a_name_of_no_engine_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean 'sglang'"):
        kind_named("sglan")
