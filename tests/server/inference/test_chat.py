"""Chat completions, asked by the official client: the words are those of whet.chat, the numbers the model's own."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import openai
import pytest
import torch

import whet
from tests.server.inference.conftest import TUNED, Served
from whet.data.render.renderer import Renderer
from whet.model.base import load_base
from whet.verbs.chat import ChatSession

QUESTION = [{"role": "user", "content": "Write a sentence about the sea."}]
DESK = [{"role": "user", "content": "My order 4711 has not arrived."}]

DEEP: Any = "x"
for _ in range(200):
    DEEP = {"a": DEEP}


@pytest.fixture(scope="module")
def base() -> ChatSession:
    return whet.chat("nano")


def said(session: ChatSession, messages: list[dict[str, Any]], **options: Any) -> str:
    return "".join(session.reply(messages, **options))


def test_a_base_answers_as_in_whet_chat(client: Any, base: ChatSession) -> None:
    answer = client.chat.completions.create(model="nano", messages=QUESTION, temperature=0, max_tokens=30)
    assert answer.choices[0].message.content == said(base, QUESTION, max_new_tokens=30)
    assert answer.usage.prompt_tokens == len(base.renderer.prompt_ids(QUESTION, None))
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_tuned_model_answers_under_its_name_and_its_base_beside_it(
    client: Any, served: Served, base: ChatSession
) -> None:
    ask = {"messages": DESK, "temperature": 0, "max_tokens": 40}
    tuned = client.chat.completions.create(model=TUNED, **ask)
    assert tuned.model == TUNED
    assert tuned.choices[0].message.content == said(whet.chat(str(served.tuned.folder)), DESK, max_new_tokens=40)

    plain = client.chat.completions.create(model="nano", **ask)
    assert plain.choices[0].message.content == said(base, DESK, max_new_tokens=40)
    assert plain.choices[0].message.content != tuned.choices[0].message.content
    assert plain.system_fingerprint != tuned.system_fingerprint


def test_log_probabilities_are_the_models_own(client: Any) -> None:
    answer = client.chat.completions.create(
        model="nano", messages=QUESTION, temperature=0.8, seed=3, max_tokens=12, logprobs=True, top_logprobs=3
    )
    content = answer.choices[0].logprobs.content
    assert content and "".join(one.token for one in content) == answer.choices[0].message.content

    model = load_base("nano", torch.float32)
    prompt = Renderer(model.tokenizer).prompt_ids(QUESTION)
    ids = [model.tokenizer.convert_tokens_to_ids(_written(one.bytes)) for one in content]
    with torch.no_grad():
        logits = model.model(torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 : -1]
    own = logits.log_softmax(-1)
    for place, one in enumerate(content):
        assert one.logprob == pytest.approx(float(own[place, ids[place]]), abs=0.001)
        best = own[place].topk(3).values.tolist()
        assert [top.logprob for top in one.top_logprobs] == pytest.approx(best, abs=0.001)


def _written(token: list[int]) -> str:
    """As a byte-level vocabulary writes it."""
    from whet.server.inference.words.token_bytes import byte_of

    letters = {byte: letter for letter, byte in byte_of().items()}
    return "".join(letters[byte] for byte in token)


@pytest.mark.parametrize("more", [{}, {"stop": ["the", "\n"]}, {"logprobs": True}, {"n": 3}])
def test_streamed_is_not_streamed(client: Any, more: dict[str, Any]) -> None:
    ask = {"model": "nano", "messages": QUESTION, "seed": 11, "max_tokens": 24, **more}
    whole = client.chat.completions.create(**ask)
    texts, ends, logprobs, usage, roles = {}, {}, {}, None, []
    for chunk in client.chat.completions.create(**ask, stream=True, stream_options={"include_usage": True}):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            roles.append(choice.delta.role)
            texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
            ends[choice.index] = choice.finish_reason or ends.get(choice.index)
            if choice.logprobs:
                logprobs.setdefault(choice.index, []).extend(choice.logprobs.content)

    assert texts == {choice.index: choice.message.content for choice in whole.choices}
    assert ends == {choice.index: choice.finish_reason for choice in whole.choices}
    assert usage == whole.usage
    assert roles.count("assistant") == len(whole.choices)
    if more.get("logprobs"):
        streamed = [(one.token, one.logprob) for one in logprobs[0]]
        assert [token for token, _ in streamed] == [one.token for one in whole.choices[0].logprobs.content]
        assert [number for _, number in streamed] == pytest.approx(
            [one.logprob for one in whole.choices[0].logprobs.content], abs=1e-3
        )
    assert len({choice.message.content for choice in whole.choices}) == len(whole.choices), "each answer its own seed"


def test_the_same_seed_gives_the_same_answer(client: Any) -> None:
    ask = {"model": "nano", "messages": QUESTION, "max_tokens": 16}
    one, same, other = (client.chat.completions.create(**ask, seed=seed) for seed in (1, 1, 2))
    assert one.choices[0].message.content == same.choices[0].message.content != other.choices[0].message.content


def test_a_stop_string_across_tokens_ends_the_answer(client: Any) -> None:
    ask = {"model": TUNED, "messages": DESK, "temperature": 0, "max_tokens": 30}
    free = client.chat.completions.create(**ask, logprobs=True).choices[0]
    tokens = [one.token for one in free.logprobs.content]
    before = "".join(tokens[:4])
    stop = tokens[4][-1:] + tokens[5][:2]
    assert stop in free.message.content and stop not in before

    stopped = client.chat.completions.create(**ask, stop=[stop, "never said"], logprobs=True).choices[0]
    assert stopped.message.content == free.message.content.split(stop)[0]
    assert stopped.finish_reason == "stop"
    assert [one.token for one in stopped.logprobs.content] == tokens[: len(stopped.logprobs.content)]
    assert len(stopped.message.content) >= sum(len(one.token) for one in stopped.logprobs.content)


def test_a_limit_is_kept_and_told(client: Any) -> None:
    answer = client.chat.completions.create(model=TUNED, messages=DESK, temperature=0, max_completion_tokens=3)
    assert (answer.usage.completion_tokens, answer.choices[0].finish_reason) == (3, "length")


def test_an_alias_is_what_it_stands_for(client: Any) -> None:
    ask = {"messages": QUESTION, "temperature": 0, "max_tokens": 8}
    alias, nano = (client.chat.completions.create(model=name, **ask) for name in ("gpt-4o-mini", "nano"))
    assert alias.model == "gpt-4o-mini"
    assert alias.choices[0].message.content == nano.choices[0].message.content


def test_texts_in_parts_and_the_role_developer_are_read(client: Any) -> None:
    ask = {"model": "nano", "temperature": 0, "max_tokens": 12}
    parts = [{"type": "text", "text": "Write a sentence "}, {"type": "text", "text": "about the sea."}]
    in_parts = client.chat.completions.create(messages=[{"role": "user", "content": parts}], **ask)
    assert in_parts.choices[0].message == client.chat.completions.create(messages=QUESTION, **ask).choices[0].message

    told = [client.chat.completions.create(messages=[{"role": role, "content": "Be brief."}, *QUESTION], **ask)
            for role in ("developer", "system")]  # fmt: skip
    assert told[0].choices[0].message == told[1].choices[0].message


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"temprature": 1}, "unknown_parameter", "temprature"),
        ({"temperature": "1"}, "invalid_value", "temperature"),
        ({"temperature": 2.1}, "invalid_value", "temperature"),
        ({"top_p": 0}, "invalid_value", "top_p"),
        ({"n": True}, "invalid_value", "n"),
        ({"max_tokens": 0}, "invalid_value", "max_tokens"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "invalid_value", "stop"),
        ({"stop": ""}, "invalid_value", "stop"),
        ({"logit_bias": {"4096": 1}}, "invalid_value", "logit_bias"),
        ({"logit_bias": {"x": 1}}, "invalid_value", "logit_bias"),
        ({"top_logprobs": 2}, "invalid_value", "top_logprobs"),
        ({"reasoning_effort": "low"}, "unsupported_parameter", "reasoning_effort"),
        ({"functions": []}, "unsupported_parameter", "functions"),
        ({"modalities": ["text", "audio"]}, "unsupported_parameter", "modalities"),
        ({"store": True}, "unsupported_parameter", "store"),
        ({"service_tier": "flex"}, "unsupported_parameter", "service_tier"),
        ({"tools": [{"type": "custom"}]}, "unsupported_parameter", "tools.0.type"),
        ({"tool_choice": "required"}, "invalid_value", "tool_choice"),
        ({"response_format": {"type": "json_schema"}}, "invalid_value", "response_format.json_schema"),
        ({"messages": []}, "invalid_value", "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "invalid_value", "messages.0.role"),
        ({"messages": [{"role": "user", "content": "a", "mood": "b"}]}, "unknown_parameter", "messages.0.mood"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "unsupported_parameter",
            "messages.0.content.0",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "detail": "low"}]}]},
            "unknown_parameter",
            "messages.0.content.0.detail",
        ),
        ({"messages": [{"role": "user", "content": "a<|end|>b"}]}, "invalid_value", "messages"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, "invalid_value", "messages.0.content"),
        ({"metadata": DEEP}, "invalid_value", "metadata"),
        ({"tool_choice": 5}, "invalid_value", "tool_choice"),
        ({"stream_options": {"usage": True}, "stream": True}, "unknown_parameter", "usage"),
        ({"model": "gpt-5"}, "model_not_found", "model"),
        ({"model": "reward"}, "model_not_supported", "model"),
    ],
)
def test_what_is_wrong_is_told_by_name(served: Served, body: dict[str, Any], code: str, param: str) -> None:
    content = {"model": "nano", "messages": QUESTION, "max_tokens": 1, **body}
    headers = served.headers | {"Content-Type": "application/json"}
    answer = httpx2.post(f"{served.url}/chat/completions", headers=headers, content=json.dumps(content))
    error = answer.json()["error"]
    assert answer.status_code == (404 if code == "model_not_found" else 400), error
    assert (error["code"], error["param"]) == (code, param), error
    assert "fix:" not in error["message"] or code == "invalid_value"


def test_what_changes_nothing_is_taken(client: Any) -> None:
    plain = client.chat.completions.create(model="nano", messages=QUESTION, max_tokens=4, temperature=0)
    answer = client.chat.completions.create(
        model="nano", messages=QUESTION, max_tokens=4, temperature=0, user="u", metadata={"a": "b"}, store=False,
        service_tier="auto", safety_identifier="s", prompt_cache_key="k", modalities=["text"],
        extra_body={"reasoning_effort": None},
    )  # fmt: skip
    assert answer.choices == plain.choices and answer.choices[0].message.content


def test_a_prompt_that_is_too_long_is_refused_with_both_numbers(client: Any) -> None:
    messages = [{"role": "user", "content": "sea " * 2000}]
    with pytest.raises(openai.BadRequestError) as told:
        client.chat.completions.create(model="nano", messages=messages, stream=True)
    assert told.value.code == "context_length_exceeded"
    assert "1,024" in str(told.value) and "2,0" in str(told.value)


def test_json_that_follows_a_schema(client: Any) -> None:
    schema = {
        "type": "object",
        "properties": {"mood": {"enum": ["good", "bad"]}, "wet": {"type": "boolean"}},
        "required": ["mood", "wet"],
        "additionalProperties": False,
    }
    answer = client.chat.completions.create(
        model="nano", messages=QUESTION, seed=1, n=4, max_tokens=60,
        response_format={"type": "json_schema", "json_schema": {"name": "sea", "strict": True, "schema": schema}},
    )  # fmt: skip
    for choice in answer.choices:
        assert choice.finish_reason == "stop"
        found = json.loads(choice.message.content)
        assert found.keys() == {"mood", "wet"} and found["mood"] in ("good", "bad") and found["wet"] in (True, False)

    with pytest.raises(openai.BadRequestError) as told:
        client.chat.completions.create(
            model="nano", messages=QUESTION,
            response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "strong"}}},
        )  # fmt: skip
    assert (told.value.code, told.value.param) == ("invalid_json_schema", "response_format")
