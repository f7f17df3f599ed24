"""The two kinds of teacher that a collection can ask: a server, and a model on this machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from whet.data.refused import RowRefused
from whet.data.render.renderer import Renderer
from whet.errors import DataError, InputError
from whet.generation.chat_client import ChatClient
from whet.generation.collection.rows_file import CollectSettings, Request
from whet.generation.collection.spending import worst_case
from whet.generation.engine import Sampling, generate
from whet.types import Completion

KEYS = ("WHET_API_KEY", "OPENAI_API_KEY")
"""Environment variables that may hold the API key, the first that is set."""
LOCAL_TOGETHER = 64


def is_url(teacher: str) -> bool:
    return teacher.startswith(("http://", "https://"))


def key_name() -> str | None:
    """The environment variable that holds an API key."""
    return next((name for name in KEYS if os.environ.get(name)), None)


def refuse_secret_url(url: str, where: str = "--teacher") -> None:
    """Raises InputError for a URL that holds a password or a query: it is written into every row."""
    parts = urlsplit(url)
    if parts.username or parts.password or parts.query or not parts.hostname:
        what = "a model's URL is an address as far as /v1, and nothing else"
        raise InputError(what, where=where, value=parts.hostname, fix=f"put the key into {KEYS[0]}")


@dataclass(slots=True)
class RemoteTeacher:
    """One request at a time."""

    remote: ChatClient
    together: int = 1

    def ask(self, requests: Sequence[Request], asking: CollectSettings) -> list[Completion]:
        return [self._one(request, asking) for request in requests]

    def _one(self, request: Request, asking: CollectSettings) -> Completion:
        completion = self.remote.reply(request.asked, asking.max_tokens, asking.temperature)
        if completion.estimated:
            most = worst_case(request.asked, asking.max_tokens)
            return replace(completion, prompt_tokens=most.prompt_tokens, answer_tokens=most.answer_tokens)
        return completion


@dataclass(slots=True)
class LocalTeacher:
    """A model in this process. Sampled answers depend on the requests alone that are asked together."""

    model: Any
    tokenizer: Any
    renderer: Renderer
    context: int
    together: int = LOCAL_TOGETHER

    def ask(self, requests: Sequence[Request], asking: CollectSettings) -> list[Completion]:
        """Raises DataError for a prompt that the model cannot be given."""
        prompts = [self._ids(request) for request in requests]
        seed = int(requests[0].key[:8], 16)
        sampling = Sampling(asking.max_tokens, asking.temperature, seed=seed)
        stop_ids = self.renderer.stop_ids
        return generate(self.model, self.tokenizer, prompts, stop_ids, sampling, context=self.context)

    def _ids(self, request: Request) -> list[int]:
        try:
            self.renderer.refuse_foreign(request.asked, None)
            ids = self.renderer.prompt_ids(request.asked)
        except RowRefused as refusal:
            content = request.messages[-1].get("content")
            raise DataError(refusal.what, where="a prompt", value=content, fix=refusal.fix) from refusal

        if len(ids) >= self.context:
            what = f"a prompt has {len(ids)} tokens, and the teacher sees {self.context}"
            raise DataError(what, value=request.messages[-1].get("content"), fix="shorten it")

        return ids
