"""Clients that others wrote, unchanged but for the URL: npm's openai, Vercel's AI SDK, litellm."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from tests.server.inference.clients.installed import litellm_checks, npm_checks
from tests.server.inference.conftest import HARM, MOOD, TUNED, Served

MESSAGES: list[Any] = [{"role": "user", "content": "Where is order 48213?"}]
PARIS_OR_OSLO = ({"city": "Paris"}, {"city": "Oslo"})


class Answer(NamedTuple):
    """What the official Python client is answered, which the others must be, too."""

    text: str
    read: int
    written: int
    vectors: list[list[float]]
    hate: float
    """The score of a text in that category."""


@pytest.fixture(scope="module")
def answer(served: Served) -> Answer:
    client = served.client()
    told = client.chat.completions.create(model=TUNED, messages=MESSAGES, temperature=0, max_tokens=8)
    vectors = client.embeddings.create(model=MOOD, input=["a", "b"], encoding_format="float").data
    hate = client.moderations.create(model=HARM, input="I hate it all").results[0].category_scores.hate
    usage = told.usage
    return Answer(
        told.choices[0].message.content,
        usage.prompt_tokens,
        usage.completion_tokens,
        [one.embedding for one in vectors],
        hate,
    )


def same(found: list[list[float]], wanted: list[list[float]]) -> bool:
    return len(found) == len(wanted) and all(
        one == pytest.approx(other, abs=1e-6) for one, other in zip(found, wanted, strict=True)
    )


@pytest.fixture(scope="module")
def npm(served: Served) -> dict[str, Any]:
    return told(npm_checks([served.url, served.key, TUNED, MOOD, HARM]))


@pytest.fixture(scope="module")
def litellm(served: Served) -> dict[str, Any]:
    return told(litellm_checks([served.url, served.key, TUNED, MOOD, HARM]))


def told(printed: str) -> dict[str, Any]:
    results = json.loads(printed.splitlines()[-1])
    failed = {name: one["failed"] for name, one in results.items() if isinstance(one, dict) and "failed" in one}
    assert not failed, "\n".join(f"{name}: {why}" for name, why in failed.items())
    return results


# ---- npm's openai


def test_npm_openai_reads_answers_whole_and_streamed(npm: dict[str, Any], answer: Answer) -> None:
    assert npm["openai_chat"]["text"] == npm["openai_responses"]["text"] == answer.text
    assert npm["openai_chat"]["request"].startswith("req_")
    streamed = npm["openai_stream"]
    assert "".join(streamed["parts"]) == streamed["text"] == answer.text and len(streamed["parts"]) > 1
    for usage in (npm["openai_chat"]["usage"], streamed["usage"]):
        assert (usage["prompt_tokens"], usage["completion_tokens"]) == (answer.read, answer.written)
    usage = npm["openai_responses"]["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (answer.read, answer.written)


def test_npm_openai_lists_models_with_their_parents(npm: dict[str, Any]) -> None:
    assert {"nano", TUNED} <= set(npm["openai_models"]["names"])
    assert npm["openai_models"]["one"]["id"] == TUNED and npm["openai_models"]["one"]["parent"] == "nano"


def test_npm_openai_gets_calls_and_objects_that_follow_zods_schemas(npm: dict[str, Any]) -> None:
    assert npm["openai_tool"]["name"] == "get_weather" and npm["openai_tool"]["arguments"] in PARIS_OR_OSLO
    assert npm["openai_parse"] in PARIS_OR_OSLO


def test_npm_openai_gets_vectors_and_moderations(npm: dict[str, Any], answer: Answer) -> None:
    assert same(npm["openai_vectors"], answer.vectors)
    assert npm["openai_moderation"]["category_scores"]["hate"] == pytest.approx(answer.hate, abs=1e-6)


def test_npm_openai_throws_its_own_errors(npm: dict[str, Any]) -> None:
    missing = {"class": "NotFoundError", "status": 404, "code": "model_not_found", "param": "model"}
    assert npm["openai_errors"] == {
        "missing": missing,
        "stream": missing,
        "unknown": {"class": "BadRequestError", "status": 400, "code": "unsupported_parameter", "param": "thinking"},
        "key": {"class": "AuthenticationError", "status": 401, "code": "invalid_api_key", "param": None},
    }


def test_npm_openai_uploads_a_file_and_runs_a_job(npm: dict[str, Any]) -> None:
    done = npm["openai_job"]
    assert done["same"] and done["gone"] and done["file"]["purpose"] == "fine-tune"
    assert done["file"]["filename"] == "rows.jsonl"
    assert done["job"]["training_file"] == done["file"]["id"] and done["job"]["object"] == "fine_tuning.job"
    assert done["ended"] == "cancelled"
    assert done["events"][-1] == f"Created fine-tuning job: {done['job']['id']}"


# ---- Vercel's AI SDK


def test_the_ai_sdk_reads_answers_whole_and_streamed(npm: dict[str, Any], answer: Answer) -> None:
    whole, streamed, other = npm["vercel_chat"], npm["vercel_stream"], npm["vercel_openai"]
    assert whole["text"] == "".join(streamed["parts"]) == answer.text and len(streamed["parts"]) > 1
    assert whole["end"] == streamed["end"] == "stop"
    assert other["chat"] == other["responses"] == other["stream"] == answer.text
    for usage in (whole["usage"], streamed["usage"], other["usage"]):
        assert (usage["inputTokens"], usage["outputTokens"]) == (answer.read, answer.written)


def test_the_ai_sdk_runs_a_tool_and_goes_on(npm: dict[str, Any]) -> None:
    assert npm["vercel_tool"]["steps"] == len(npm["vercel_tool"]["asked"]) == 2
    assert all(asked in PARIS_OR_OSLO for asked in npm["vercel_tool"]["asked"])
    assert npm["vercel_object"] in PARIS_OR_OSLO


def test_the_ai_sdk_gets_vectors(npm: dict[str, Any], answer: Answer) -> None:
    assert same(npm["vercel_vectors"]["compatible"], answer.vectors)
    assert same(npm["vercel_vectors"]["openai"], answer.vectors) and npm["vercel_vectors"]["tokens"] > 0


def test_the_ai_sdk_throws_its_own_error(npm: dict[str, Any]) -> None:
    assert npm["vercel_errors"] == {"known": True, "status": 404, "message": "No such model: 'gpt-9'."}


# ---- litellm


def test_litellm_reads_answers_whole_and_streamed(litellm: dict[str, Any], answer: Answer) -> None:
    whole, streamed = litellm["chat"], litellm["stream"]
    assert whole["text"] == streamed["text"] == "".join(streamed["parts"]) == answer.text
    for usage in (whole["usage"], streamed["usage"]):
        assert (usage["prompt_tokens"], usage["completion_tokens"]) == (answer.read, answer.written)


def test_litellm_lists_models_and_calls_a_tool(litellm: dict[str, Any]) -> None:
    assert {"nano", TUNED} <= set(litellm["models"])
    assert litellm["tool"]["name"] == "get_weather" and litellm["tool"]["arguments"] in PARIS_OR_OSLO


def test_litellm_gets_vectors_and_moderations(litellm: dict[str, Any], answer: Answer) -> None:
    assert same(litellm["vectors"], answer.vectors)
    assert litellm["moderation"]["category_scores"]["hate"] == pytest.approx(answer.hate, abs=1e-6)


def test_litellm_raises_its_own_errors(litellm: dict[str, Any]) -> None:
    assert {name: error["class"] for name, error in litellm["errors"].items()} == {
        "missing": "NotFoundError",
        "unknown": "BadRequestError",
        "key": "AuthenticationError",
        "long": "ContextWindowExceededError",
    }
