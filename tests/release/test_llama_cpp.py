"""llama.cpp as a consumer."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.release.gguf.test_families import NANO, logprobs
from whet.errors import ModelError
from whet.release.consumers.llama_cpp import LlamaCpp, open_consumer
from whet.release.consumers.protocol import Served
from whet.release.gguf.write import GgufSource, write_gguf

pytest.importorskip("xllamacpp")
TALK = [{"role": "system", "content": ""}, {"role": "user", "content": "What is 2+3?"}]
CALL = {"function": {"name": "add", "arguments": {"a": 2}}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    write_gguf(GgufSource(NANO, [1], "nano"), "f32", folder / "model.gguf")
    return folder


@pytest.fixture(scope="module")
def opened(folder: Path) -> Iterator[LlamaCpp]:
    consumer = open_consumer(Served(folder=folder, main="model.gguf"))
    yield consumer
    consumer.close()


def test_it_renders_as_transformers_does(opened: LlamaCpp) -> None:
    tokenizer = AutoTokenizer.from_pretrained(NANO)
    tools = [
        {"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": {"type": "object"}}}
    ]
    called = [*TALK, {"role": "assistant", "content": "", "tool_calls": [CALL]}, {"role": "tool", "content": "5"}]
    for talk, given in ((TALK, None), (TALK, tools), (called, tools)):
        wanted = tokenizer.apply_chat_template(talk, tools=given, add_generation_prompt=True, return_dict=False)
        assert opened.render(talk, given) == wanted
    assert opened.encode("Grüße 你好") == tokenizer("Grüße 你好")["input_ids"]


def test_it_writes_and_reads_as_transformers_does(opened: LlamaCpp) -> None:
    model: Any = AutoModelForCausalLM.from_pretrained(NANO, dtype=torch.float32)
    ids = opened.render(TALK, None)
    assert ids is not None
    written = opened.greedy(ids, 40)
    assert written.stop_id == 1 and 1 not in written.ids
    wanted = model.generate(torch.tensor([ids]), max_new_tokens=40, do_sample=False)[0, len(ids) :].tolist()
    assert [*written.ids, 1] == wanted
    assert opened.logprobs(ids, wanted) == pytest.approx(logprobs(model, ids, wanted), abs=1e-3)
    unlikely = [9, 300, 45]
    assert opened.logprobs(ids, unlikely) == pytest.approx(logprobs(model, ids, unlikely), abs=1e-3)


def test_parts_of_a_character_are_read_too(opened: LlamaCpp) -> None:
    """llama.cpp tells no probability of a token that ends within a character."""
    tokenizer = AutoTokenizer.from_pretrained(NANO)
    model: Any = AutoModelForCausalLM.from_pretrained(NANO, dtype=torch.float32)
    ids, answer = opened.render(TALK, None), tokenizer("a 🚀 b", add_special_tokens=False)["input_ids"]
    assert ids is not None and any("\ufffd" in str(tokenizer.decode([token])) for token in answer)
    assert opened.logprobs(ids, answer) == pytest.approx(logprobs(model, ids, answer), abs=1e-3)


def test_an_answer_that_the_limit_cuts_has_no_stop(opened: LlamaCpp) -> None:
    assert opened.greedy([3, 894, 1, 4], 2).stop_id is None


def test_more_than_the_context_is_refused_by_llama_cpp_itself(opened: LlamaCpp) -> None:
    with pytest.raises(ModelError, match="context"):
        opened.greedy([5] * 1100, 4)


def test_a_damaged_file_ends_the_server_and_not_whet(folder: Path, tmp_path: Path) -> None:
    whole = (folder / "model.gguf").read_bytes()
    (tmp_path / "model.gguf").write_bytes(whole.replace(b"blk.1.attn_q.weight", b"blk.1.attn_x.weight"))
    with pytest.raises(ModelError, match=r"does not load it: .*attn_q"):
        open_consumer(Served(folder=tmp_path, main="model.gguf"))


def test_the_template_of_ollama_takes_the_place_of_the_file_s(folder: Path) -> None:
    more = {"go_template": '{{ range .Messages }}{{ if eq .Role "user" }}<|user|>{{ .Content }}{{ end }}{{ end }}'}
    consumer = open_consumer(Served(folder=folder, main="model.gguf", more=more))
    try:
        assert consumer.render(TALK, None) == AutoTokenizer.from_pretrained(NANO)("<|user|>What is 2+3?")["input_ids"]
        assert consumer.render(TALK, [{}]) is None, "tools are not written in Go"
    finally:
        consumer.close()


def test_a_connection_that_the_server_closed_is_opened_again(opened: LlamaCpp) -> None:
    assert opened.connection.sock is not None or opened.encode("a")
    opened.connection.sock.shutdown(socket.SHUT_RDWR)
    assert opened.encode("a") == opened.encode("a")
