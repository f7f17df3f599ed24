"""Embeddings, asked by the official client and held to what transformers computes by itself."""

from __future__ import annotations

import base64
import struct
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tests.server.inference.conftest import HARM, MOOD, Served

TEXTS = ["I am so cross!", "Lovely, thank you.", "The parcel is blue."]
TALK = [{"role": "user", "content": "How do I cancel?"}, {"role": "assistant", "content": "Gladly. Thank you."}]


@pytest.fixture
def lax(served: Served) -> Any:
    """The official client asks for base64 by itself, and its strict types are of what it makes of that."""
    return served.client(_strict_response_validation=False)


def folder_of(served: Served, name: str) -> Path:
    caller = served.service.keys.verify(served.key)
    assert caller is not None
    folder = served.service.answering.catalogue.find(name, caller.project).folder
    assert folder is not None
    return folder


@torch.no_grad()
def reference(folder: Path, rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """(what the head reads of each row, the scores), by transformers' own trunk, one row at a time."""
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    states = [model.model(input_ids=torch.tensor([row])).last_hidden_state[0, -1] for row in rows]
    scores = [model(input_ids=torch.tensor([row])).logits[0] for row in rows]
    hidden_RD = torch.stack(states)
    torch.testing.assert_close(hidden_RD @ model.score.weight.T, torch.stack(scores), atol=1e-4, rtol=1e-4)
    return hidden_RD, torch.stack(scores)


def test_a_vector_is_what_the_head_reads_at_length_one(lax: Any, served: Served) -> None:
    folder = folder_of(served, MOOD)
    rows = [AutoTokenizer.from_pretrained(folder)(text)["input_ids"] for text in TEXTS]
    hidden_RD, _ = reference(folder, rows)
    wanted = hidden_RD / hidden_RD.norm(dim=-1, keepdim=True)

    answer = lax.embeddings.create(model=MOOD, input=TEXTS)
    found = torch.tensor([one.embedding for one in answer.data])
    torch.testing.assert_close(found, wanted, atol=2e-5, rtol=0)
    assert [one.index for one in answer.data] == [0, 1, 2] and answer.model == MOOD
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == sum(map(len, rows))


def test_text_tokens_and_both_encodings_give_the_same_vector(client: Any, lax: Any, served: Served) -> None:
    ids = AutoTokenizer.from_pretrained(folder_of(served, MOOD))(TEXTS[0])["input_ids"]

    asked = client.embeddings.create(model=MOOD, input=TEXTS[0], encoding_format="float")
    plain = asked.data[0].embedding
    whole = client.embeddings.create(model=MOOD, input=TEXTS[0], encoding_format="float", dimensions=len(plain))
    assert whole.data[0].embedding == pytest.approx(plain, abs=1e-6)
    for given in (TEXTS[0], [TEXTS[0]], ids, [ids]):
        (one,) = lax.embeddings.create(model=MOOD, input=given).data
        assert one.embedding == pytest.approx(plain, abs=1e-6)

    body = {"model": MOOD, "input": TEXTS[0], "encoding_format": "base64"}
    sent = httpx2.post(f"{served.url}/embeddings", headers=served.headers, json=body).json()["data"][0]["embedding"]
    assert struct.unpack(f"<{len(plain)}f", base64.b64decode(sent)) == pytest.approx(plain, abs=1e-6)


def test_a_reward_model_gives_vectors_of_answered_conversations(served: Served) -> None:
    folder = folder_of(served, "reward")
    body = {"model": "reward", "input": [TALK]}
    answer = httpx2.post(f"{served.url}/embeddings", headers=served.headers, json=body, timeout=60).json()
    found = torch.tensor(answer["data"][0]["embedding"])

    ids = AutoTokenizer.from_pretrained(folder).apply_chat_template(TALK, tokenize=True, return_dict=True)["input_ids"]
    hidden_RD, _ = reference(folder, [ids])
    torch.testing.assert_close(found, hidden_RD[0] / hidden_RD[0].norm(), atol=2e-3, rtol=0)


def test_what_is_read_counts_against_the_key(lax: Any, served: Served) -> None:
    def counted() -> float:
        metric = served.service.metrics.prompt_tokens.labels(HARM)
        return metric._value.get()

    before = counted()
    read = lax.embeddings.create(model=HARM, input=TEXTS).usage.prompt_tokens
    lax.moderations.create(model=HARM, input=TEXTS)
    httpx2.post(f"{served.url}/classify", headers=served.headers, json={"model": HARM, "input": TEXTS})
    assert counted() - before == 3 * read


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"model": "nano"}, "model", "model_not_supported"),
        ({"dimensions": 16}, "dimensions", "unsupported_parameter"),
        ({"encoding_format": "int8"}, "encoding_format", "invalid_value"),
        ({"input": []}, "input", "invalid_value"),
        ({"input": [[]]}, "input.0", "invalid_value"),
        ({"input": [4097]}, "input", "invalid_value"),
        ({"input": [[1, 2], [3, -1]]}, "input.1", "invalid_value"),
        ({"input": ["a", "sea " * 3000]}, "input.1", "context_length_exceeded"),
        ({"input": ["a"] * 2049}, "input", "invalid_value"),
        ({"input": [[5] * 1000] * 301}, "input", "max_tokens_per_request"),
        ({"input": "a", "pooling": "mean"}, "pooling", "unknown_parameter"),
        ({"model": "reward", "input": "a"}, "input.0", "invalid_value"),
        ({"input": [TALK]}, "input.0", "unsupported_parameter"),
    ],
)
def test_what_gives_no_vector_is_refused_by_name(served: Served, body: dict[str, Any], param: str, code: str) -> None:
    sent = {"model": MOOD, "input": "a", **body}
    answer = httpx2.post(f"{served.url}/embeddings", headers=served.headers, json=sent, timeout=60)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, param, code), error


def test_a_model_that_writes_is_refused_with_what_to_use(client: Any) -> None:
    with pytest.raises(openai.BadRequestError, match=r"'nano' has no head.*method: classify.*vector_stores"):
        client.embeddings.create(model="nano", input="a")
