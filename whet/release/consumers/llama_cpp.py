"""llama.cpp, by the server of the package xllamacpp: the consumer of GGUF files and of adapters over them.

It is asked over HTTP as any client asks it: /apply-template and /tokenize give what a chat becomes; /completion writes.
It does not read a given answer in one pass, so that each token is asked for alone: a bias makes llama.cpp choose it,
and the log-probability that it tells is that of before the bias. What came before lies in its cache.

For Ollama, which is built on it, a conversation is written by the Go template of the Modelfile instead.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from whet.errors import ModelError, shorten
from whet.model.gguf.header import read_header
from whet.release.consumers.protocol import Scorer, Served, Written
from whet.release.consumers.template_date import as_of
from whet.release.gguf import llama_server
from whet.release.ollama.go_template import render
from whet.types import Message

INSTALL = 'pip install "whet[gguf]"'
FIRST_CONTEXT = 2048
"""Tokens that the server makes room for at first; where a prompt needs more it is started again."""
SURE = 1e6
"""A bias no logit comes near."""
ERROR_LINE = " E "
"""Stands in the lines of its log that tell an error, behind the time."""
TEMPLATE = "tokenizer.chat_template"
"""Keys of a GGUF file whose values are chat templates begin so; one more, that ends in an s, lists their names."""
WAIT = 600.0
"""Seconds for one answer."""


def missing() -> str | None:
    if find_spec("xllamacpp") and find_spec("gguf"):
        return None
    return INSTALL


def open_consumer(served: Served) -> LlamaCpp:
    """Raises ModelError where llama.cpp does not load the file."""
    return LlamaCpp(served)


def open_scorer(served: Served) -> Scorer:
    """Raises ModelError: the server reads no heads of scores."""
    raise ModelError("llama.cpp is not asked for the scores of a head", fix="use --to merged")


class LlamaCpp:
    """One server process; started again with more room where a prompt needs it."""

    name = "llama_cpp"

    def __init__(self, served: Served) -> None:
        folder = served.folder or Path()
        main = folder / served.main
        self.model, self.lora = (folder / served.base, main) if served.base else (main, None)
        self.float32 = served.compute == "float32"
        self.template: str | None = served.more.get("go_template")
        self.clock = served.clock
        header = read_header(self.model)
        self.templates = [str(text) for key, text in header.metadata.items() if key.startswith(TEMPLATE)]
        self.tokens = len(header.metadata["tokenizer.ggml.tokens"])
        self.most = int(header.metadata.get(f"{header.architecture}.context_length", FIRST_CONTEXT))
        self.process: subprocess.Popen[str] | None = None
        self.room = 0
        self.start(min(FIRST_CONTEXT, self.most))

    def render(self, messages: Sequence[Message], tools: list[dict[str, Any]] | None) -> list[int] | None:
        if self.template is not None:
            if tools:
                return None
            return self.encode(render(self.template, messages))
        asked: dict[str, Any] = {"messages": [_spoken(message) for message in messages]}
        text = self.post("/apply-template", asked | ({"tools": tools} if tools else {}))["prompt"]
        return self.encode(as_of(self.clock, text, self.templates))

    def encode(self, text: str) -> list[int]:
        asked = {"content": text, "add_special": True, "parse_special": True}
        return self.post("/tokenize", asked)["tokens"]

    def logprobs(self, prompt_ids: list[int], answer_ids: list[int]) -> list[float] | None:
        self.make_room(len(prompt_ids) + len(answer_ids))
        found = []
        for n, token in enumerate(answer_ids):
            asked = {"prompt": prompt_ids + answer_ids[:n], "n_predict": 1, "logit_bias": [[token, SURE]], "n_probs": 1}
            told = self.post("/completion", asked | GREEDY).get("completion_probabilities")
            if told is None:  # it says nothing of a token that ends within a character
                found.append(self.logprob_of_part(prompt_ids + answer_ids[:n], token))
                continue
            if told[0]["id"] != token:
                raise ModelError(f"llama.cpp chose the token {told[0]['id']:,} and was made to choose {token:,}")
            found.append(float(told[0]["logprob"]))

        return found

    def logprob_of_part(self, before: list[int], token: int) -> float:
        """Of a token that is a part of a character: read among all tokens, while a whole character is written."""
        whole = self.encode("a")[-1]
        asked = {"prompt": before, "n_predict": 1, "logit_bias": [[whole, SURE]], "n_probs": self.tokens}
        told = self.post("/completion", asked | GREEDY)["completion_probabilities"][0]["top_logprobs"]
        logprob = next((one["logprob"] for one in told if one["id"] == token), None)
        if logprob is None:
            raise ModelError(f"llama.cpp does not tell how likely the token {token:,} is", where=str(self.model))
        return float(logprob)

    def greedy(self, prompt_ids: list[int], limit: int) -> Written:
        self.make_room(len(prompt_ids) + limit)
        told = self.post("/completion", {"prompt": prompt_ids, "n_predict": limit, "return_tokens": True} | GREEDY)
        ids = list(told["tokens"])
        stopped = told["stop_type"] == "eos"
        if stopped:
            return Written(ids[:-1], ids[-1])
        return Written(ids, None)

    def make_room(self, tokens: int) -> None:
        """The context is as long as the file says at most: what is longer is refused by llama.cpp itself."""
        if self.room < tokens + 1 and self.room < self.most:
            self.start(min(max(2 * self.room, tokens + 1), self.most))

    def start(self, room: int) -> None:
        self.close()
        told = {
            "model": str(self.model),
            "lora": str(self.lora) if self.lora else "",
            "context": room,
            "threads": _threads(),
            "float32": self.float32,
        }
        command = [sys.executable, str(Path(llama_server.__file__)), json.dumps(told)]
        pipe = subprocess.PIPE
        self.said = tempfile.TemporaryFile("w+", errors="replace")
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self.said, text=True)
        assert self.process.stdout

        address = self.process.stdout.readline().strip()
        if not address:
            self.refuse()
        self.room, self.connection = room, http.client.HTTPConnection(urlsplit(address).netloc, timeout=WAIT)

    def refuse(self) -> None:
        """Raises ModelError with what llama.cpp gives as the reason."""
        assert self.process
        self.process.communicate()
        self.process = None
        self.said.seek(0)
        lines = [line for line in self.said.read().splitlines() if line.strip()] or ["it said nothing"]
        reason = next((line for line in lines if ERROR_LINE in line), lines[-1]).rpartition(ERROR_LINE)[2]
        fix = "the file is not what llama.cpp reads: export the run again"
        raise ModelError(f"llama.cpp does not load it: {shorten(reason)}", where=str(self.lora or self.model), fix=fix)

    def post(self, path: str, asked: dict[str, Any]) -> Any:
        """Raises ModelError for what llama.cpp refuses, and where its process ended."""
        try:
            status, told = self.exchange(path, json.dumps(asked))
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.connection.close()
            what = f"llama.cpp ended while it was asked for {path}: {error!r}"
            raise ModelError(what, where=str(self.model)) from error

        if status != 200:
            said = told.get("error", {}).get("message", told)
            raise ModelError(f"llama.cpp refuses {path}: {shorten(said)}", where=str(self.model))

        return told

    def exchange(self, path: str, body: str) -> tuple[int, Any]:
        """Sent again over a new connection where the server closed one that was idle for some seconds."""
        try:
            return self.send(path, body)
        except ConnectionError:
            self.connection.close()
            if self.process is None or self.process.poll() is not None:
                raise
            return self.send(path, body)

    def send(self, path: str, body: str) -> tuple[int, Any]:
        self.connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read())

    def close(self) -> None:
        if self.process:
            self.connection.close()
            self.process.kill()
            self.process.communicate()
            self.process = None


GREEDY = {"temperature": 0, "top_k": 1, "cache_prompt": True}


def _threads() -> int:
    import torch

    return torch.get_num_threads()


def _spoken(message: Message) -> Message:
    """A turn in OpenAI's form: what a call is made with is a text there."""
    if not message.get("tool_calls"):
        return message
    return message | {"tool_calls": [_called(call) for call in message["tool_calls"]]}


def _called(call: dict[str, Any]) -> dict[str, Any]:
    function = dict(call.get("function", call))
    if not isinstance(function.get("arguments", ""), str):
        function["arguments"] = json.dumps(function["arguments"], ensure_ascii=False)
    return {"id": call.get("id", ""), "type": "function", "function": function}
