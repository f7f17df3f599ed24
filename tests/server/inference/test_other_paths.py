"""Completions, responses, classes and moderation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
import torch

from tests.server.inference.conftest import HARM, MOOD, TUNED, Served
from tests.server.serving import served as another_service
from whet.model.base import load_base, load_tokenizer
from whet.model.heads.sequence_classifier import open_reward_model, open_scorer
from whet.training.classifier_folder import scored_ids


def post(served: Served, path: str, body: dict[str, Any]) -> Any:
    return httpx2.post(f"{served.url}{path}", headers=served.headers, json=body, timeout=60)


# ---- completions


def test_a_text_goes_on_and_tokens_are_as_good_as_text(client: Any, served: Served) -> None:
    tokenizer = load_base("nano", torch.float32).tokenizer
    ids = tokenizer("Once upon a")["input_ids"]
    ask = {"model": "nano", "temperature": 0, "max_tokens": 6}
    one = client.completions.create(prompt="Once upon a", **ask)
    assert one.choices[0].text == client.completions.create(prompt=ids, **ask).choices[0].text
    several = client.completions.create(prompt=["Once upon a", "The sea"], n=2, **ask)
    assert [choice.index for choice in several.choices] == [0, 1, 2, 3]
    assert several.choices[0].text == several.choices[1].text == one.choices[0].text != several.choices[2].text
    assert client.completions.create(prompt="Once upon a", model="nano", temperature=0).usage.completion_tokens <= 16

    lax = served.client(_strict_response_validation=False)  # its types know no chunk before the last
    streamed = [chunk.choices[0] for chunk in lax.completions.create(prompt="Once upon a", stream=True, **ask)]
    assert "".join(chunk.text for chunk in streamed) == one.choices[0].text
    assert [chunk.finish_reason for chunk in streamed][-1] == one.choices[0].finish_reason


def test_the_tokens_of_a_text_are_told_as_vllm_tells_them(served: Served) -> None:
    body = {"model": "nano", "prompt": "Once upon a", "temperature": 0, "max_tokens": 6, "return_token_ids": True}
    (choice,) = post(served, "/completions", body).json()["choices"]
    assert load_tokenizer("nano").decode(choice["token_ids"]) == choice["text"] != ""


def test_the_log_probabilities_of_a_prompt_are_the_models_own(served: Served) -> None:
    base = load_base("nano", torch.float32)
    text = "The ship is near the harbour."
    body = {"model": "nano", "prompt": text, "echo": True, "logprobs": 2, "max_tokens": 0, "temperature": 0}
    answer = post(served, "/completions", body).json()
    (choice,) = answer["choices"]
    assert choice["text"] == text and answer["usage"]["completion_tokens"] == 0

    ids = base.tokenizer(text)["input_ids"]
    with torch.no_grad():
        own = base.model(torch.tensor([ids])).logits[0].log_softmax(-1)
    wanted = [float(own[place, token]) for place, token in enumerate(ids[1:])]
    found = choice["logprobs"]
    assert found["token_logprobs"][0] is None
    assert found["token_logprobs"][1:] == pytest.approx(wanted, abs=0.05)
    assert "".join(found["tokens"]) == text
    assert [text[place:].startswith(token) for place, token in zip(found["text_offset"], found["tokens"], strict=True)]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"suffix": "x"}, "suffix"), ({"best_of": 3}, "best_of"), ({"logprobs": 6}, "logprobs"),
        ({"prompt": [4096]}, "prompt"), ({"prompt": []}, "prompt"), ({"prompt": ""}, "prompt"),
        ({"max_tokens": 0}, "max_tokens"), ({"tools": []}, "tools"), ({"promt": "x"}, "promt"),
        ({"stream": True, "return_token_ids": True}, "return_token_ids"),
    ],
)  # fmt: skip
def test_wrong_completions_are_refused_by_name(served: Served, body: dict[str, Any], param: str) -> None:
    answer = post(served, "/completions", {"model": "nano", "prompt": "a", "max_tokens": 1, **body})
    assert (answer.status_code, answer.json()["error"]["param"].split(".")[0]) == (400, param), answer.text


# ---- responses


def test_a_response_is_the_chats_answer(client: Any) -> None:
    ask = {"model": TUNED, "temperature": 0}
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where is order 48213?"}]
    chat = client.chat.completions.create(messages=messages, max_tokens=12, **ask)
    asked = {"instructions": "Be brief.", "input": "Where is order 48213?", "max_output_tokens": 12, **ask}
    response = client.responses.create(**asked)
    assert response.output_text == chat.choices[0].message.content
    assert response.usage.input_tokens == chat.usage.prompt_tokens

    with client.responses.stream(**asked) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert final.output_text == response.output_text
    assert [event.sequence_number for event in events] == sorted({event.sequence_number for event in events})
    assert events[0].type == "response.created" and events[-1].type in ("response.completed", "response.incomplete")


def test_a_response_calls_a_function(client: Any) -> None:
    tool = {
        "type": "function", "name": "set_level", "strict": True,
        "parameters": {
            "type": "object", "properties": {"on": {"type": "boolean"}}, "required": ["on"],
            "additionalProperties": False,
        },
    }  # fmt: skip
    ask: dict[str, Any] = {"model": "nano", "input": "hello", "tools": [tool], "tool_choice": "required"}
    response = client.responses.create(**ask, temperature=0)
    (call,) = response.output
    assert (call.type, call.name) == ("function_call", "set_level") and json.loads(call.arguments).keys() == {"on"}
    events = list(client.responses.create(**ask, temperature=0, stream=True))
    done = [event for event in events if event.type == "response.function_call_arguments.done"]
    assert [event.arguments for event in done] == [call.arguments]

    given = {"type": "function_call_output", "call_id": call.call_id, "output": "done"}
    asked: Any = [{"role": "user", "content": "hello"}, call.model_dump(), given]
    assert client.responses.create(model="nano", max_output_tokens=4, tools=[tool], input=asked).output


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"tools": [{"type": "web_search"}]}, "tools.0.type"),
        ({"input": [{"type": "image_generation_call"}]}, "input.0"),
        ({"truncation": "auto"}, "truncation"),
        ({"reasoning": {"effort": "low"}}, "reasoning"),
        ({"store": True}, "store"),
        ({"maximum": 1}, "maximum"),
    ],
)
def test_wrong_responses_are_refused_by_name(served: Served, body: dict[str, Any], param: str) -> None:
    answer = post(served, "/responses", {"model": "nano", "input": "a", **body})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), answer.text


# ---- models with a head


def test_a_classifier_gives_classes_with_the_scores_that_it_has(served: Served) -> None:
    texts = ["I am so cross!", "Lovely, thank you.", "The parcel is blue."]
    data = post(served, "/classify", {"model": MOOD, "input": texts}).json()["data"]
    folder = served.service.answering.catalogue.find(MOOD, _project(served)).folder
    assert folder is not None
    scorer, tokenizer, facts = open_scorer(folder)
    from whet.model.heads.sequence_classifier import score_rows

    wanted = score_rows(scorer, [tokenizer(text)["input_ids"] for text in texts]).softmax(-1)
    for one, own in zip(data, wanted.tolist(), strict=True):
        assert one["probs"] == pytest.approx(own, abs=1e-4)
        assert one["label"] == facts["head"]["labels"][own.index(max(own))]
        assert list(one["scores"]) == ["angry", "pleased", "safe"]
    assert post(served, "/classify", {"model": MOOD, "input": texts[1]}).json()["data"][0]["label"] == data[1]["label"]


def test_a_reward_model_scores_answered_conversations(served: Served) -> None:
    talk = [{"role": "user", "content": "How do I cancel?"}, {"role": "assistant", "content": "Gladly. Thank you."}]
    (one,) = post(served, "/classify", {"model": "reward", "input": [talk]}).json()["data"]
    folder = served.service.answering.catalogue.find("reward", _project(served)).folder
    assert folder is not None
    reward = open_reward_model(folder)
    from whet.data.render.renderer import Renderer

    own = reward.scores([scored_ids(Renderer(reward.tokenizer), talk)])
    assert one["score"] == pytest.approx(float(own[0]), abs=1e-3)


def test_moderation_names_what_is_wrong_by_the_models_own_classes(served: Served) -> None:
    for model, names in ((HARM, {"hate", "threat"}), (MOOD, {"angry", "pleased"})):
        results = post(served, "/moderations", {"model": model, "input": ["a", "I hate it all"]}).json()["results"]
        for result in results:
            read = {name for name, kinds in result["category_applied_input_types"].items() if kinds == ["text"]}
            assert read == names and names <= result["categories"].keys() == result["category_scores"].keys()
            assert result["flagged"] == any(result["categories"].values())
            assert all(result["category_scores"][name] > 0 for name in names)
        if model == HARM:
            for result in results:
                assert result["categories"] == {name: p >= 0.5 for name, p in result["category_scores"].items()}


def test_the_official_client_reads_moderations_as_openais_own(client: Any, served: Served) -> None:
    """Its types are held to strictly, all of OpenAI's categories with them."""
    texts = ["I hate it all", "a"]
    moderation = client.moderations.create(model=HARM, input=texts)
    own = post(served, "/classify", {"model": HARM, "input": texts}).json()["data"]
    for result, found in zip(moderation.results, own, strict=True):
        assert result.category_scores.hate == pytest.approx(found["scores"]["hate"], abs=1e-6)
        assert result.categories.hate == ("hate" in found["labels"])
        assert result.categories.model_extra == {"threat": "threat" in found["labels"]}
        assert result.category_applied_input_types.hate == ["text"]

        assert result.categories.harassment_threatening is False, "a class that the model does not have"
        assert result.category_scores.self_harm_intent == 0
        assert result.category_applied_input_types.violence_graphic == []


def test_a_client_that_names_no_model_gets_the_one_that_the_operator_chose(client: Any, tmp_path: Path) -> None:
    usual = client.moderations.create(input="I hate it all")
    assert usual.model == "omni-moderation-latest"
    assert usual.results == client.moderations.create(model=HARM, input="I hate it all").results
    with another_service(tmp_path, models=()) as bare, pytest.raises(openai.BadRequestError, match="--alias omni-mod"):
        bare.client().moderations.create(input="a")


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/moderations", {"model": "reward", "input": "a"}, "model_not_supported"),
        ("/moderations", {"model": "nano", "input": "a"}, "model_not_supported"),
        ("/moderations", {"model": HARM, "input": [{"type": "image_url"}]}, "unsupported_parameter"),
        ("/classify", {"model": "nano", "input": "a"}, "model_not_supported"),
        ("/classify", {"model": "reward", "input": "a"}, "invalid_value"),
        ("/classify", {"model": MOOD, "input": []}, "invalid_value"),
        ("/classify", {"model": MOOD, "input": "sea " * 3000}, "context_length_exceeded"),
        ("/classify", {"model": MOOD, "input": "a", "inputs": "b"}, "unknown_parameter"),
    ],
)
def test_what_cannot_be_scored_is_refused(served: Served, path: str, body: dict[str, Any], code: str) -> None:
    answer = post(served, path, body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code), answer.text


def test_a_head_does_not_chat(client: Any) -> None:
    with pytest.raises(openai.BadRequestError, match="v1/classify"):
        client.chat.completions.create(model=MOOD, messages=[{"role": "user", "content": "a"}])


def _project(served: Served) -> str:
    caller = served.service.keys.verify(served.key)
    assert caller is not None
    return caller.project
