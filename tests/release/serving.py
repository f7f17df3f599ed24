"""A server behind a URL, which serves transformers as vLLM would: the real requests over a real socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

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


@contextmanager
def serving_of(run: Run) -> Iterator[tuple[str, Serving]]:
    """The URL of a server of the run's adapter, and what it does."""
    serving = Serving(run)

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
