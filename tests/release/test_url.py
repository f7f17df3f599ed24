"""A server behind a URL, which serves transformers as vLLM would: the real requests over a real socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

import whet
from whet.errors import ProofError
from whet.model.base import NANO
from whet.store.run import Run


class Serving:
    """A model with its adapter, and what the server knows and does wrong."""

    def __init__(self, run: Run) -> None:
        base = AutoModelForCausalLM.from_pretrained(NANO, dtype=torch.float32)
        self.model = PeftModel.from_pretrained(base, str(run.model)).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(run.model)
        self.as_base = False
        self.lacks: set[str] = set()
        self.paths: list[str] = []

    def answer(self, path: str, body: dict[str, Any] | None) -> tuple[int, Any]:
        self.paths.append(path)
        if path in self.lacks:
            return 404, {"error": "not found"}
        if path == "/v1/models":
            return 200, {"data": [{"id": "tuned"}]}
        assert body is not None and body["model"] == "tuned"
        if path == "/tokenize":
            return 200, {"tokens": self.tokens(body)}
        if path == "/v1/completions":
            if self.as_base:
                with self.model.disable_adapter():
                    return 200, {"choices": [self.completed(body)]}
            return 200, {"choices": [self.completed(body)]}
        return 404, {"error": "not found"}

    def tokens(self, body: dict[str, Any]) -> list[int]:
        if "messages" in body:
            return self.tokenizer.apply_chat_template(
                body["messages"], tools=body.get("tools"), add_generation_prompt=True, return_dict=False
            )
        return self.tokenizer(body["prompt"])["input_ids"]

    @torch.no_grad()
    def completed(self, body: dict[str, Any]) -> dict[str, Any]:
        ids = torch.tensor([body["prompt"]])
        if body.get("echo"):
            logprobs = self.model(input_ids=ids).logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None])
            return {"text": "", "logprobs": {"token_logprobs": [None, *logprobs.squeeze(1).tolist()]}}
        made = self.model.generate(input_ids=ids, max_new_tokens=body["max_tokens"], do_sample=False)[0, ids.shape[1] :]
        done = made[-1].item() == self.tokenizer.eos_token_id
        text = self.tokenizer.decode(made, skip_special_tokens=True)
        return {"text": text, "token_ids": made.tolist(), "finish_reason": "stop" if done else "length"}


@pytest.fixture
def served(sound: Run) -> Iterator[tuple[str, Serving]]:
    serving = Serving(sound)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply(None)

        def do_POST(self) -> None:
            self.reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def reply(self, body: dict[str, Any] | None) -> None:
            status, value = serving.answer(self.path, body)
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1", serving
    server.shutdown()
    server.server_close()


def test_a_server_that_serves_the_tune_is_proved(own: Run, served: tuple[str, Serving]) -> None:
    url, serving = served
    told = whet.prove(own, url=url)
    (proof,) = told["exports"][0]["proofs"]
    measured = proof["measured"]
    assert told["proved"] and measured["fraction"] == pytest.approx(1, abs=1e-3)
    assert measured["ids_equal"] == measured["ids_compared"] == measured["answers"] == 3
    assert measured["answers_changed"] == 0 and measured["largest_difference"] < 1e-3
    assert (own.folder / "release" / "url" / "proof.html").is_file()


def test_a_server_that_answers_as_the_base_is_found(own: Run, served: tuple[str, Serving]) -> None:
    url, serving = served
    serving.as_base = True
    with pytest.raises(ProofError, match="base-answers") as error:
        whet.prove(own, url=url)
    assert "lora-modules" in error.value.fix


def test_what_a_server_has_not_got_is_said(own: Run, served: tuple[str, Serving]) -> None:
    url, serving = served
    serving.lacks.add("/tokenize")
    told = whet.prove(own, url=url)
    (proof,) = told["exports"][0]["proofs"]
    assert proof["measured"]["ids_compared"] == 0 and "does not tell the ids" in proof["notes"][0]
    assert serving.paths.count("/tokenize") == 1, "a place that refused is not asked again"


def test_another_name_than_the_served_one_is_refused(own: Run, served: tuple[str, Serving]) -> None:
    url, _ = served
    with pytest.raises(ProofError, match="does not serve 'tunde'; did you mean 'tuned'"):
        whet.prove(own, url=url, name="tunde")


def test_a_name_without_a_server_is_refused(own: Run) -> None:
    with pytest.raises(whet.errors.InputError, match="of a server"):
        whet.prove(own, name="tuned")
