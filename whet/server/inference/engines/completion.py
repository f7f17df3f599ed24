"""A plain text that an engine goes on with."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from whet.server.database.identifiers import new_id
from whet.server.errors import ApiError, unsupported
from whet.server.inference.answers import Piece, usage_of, whole_answers
from whet.server.inference.completion import USUAL_TOKENS, CompletionBody, refuse_other_completions
from whet.server.inference.engines.chat_request import STREAM, sampling
from whet.server.inference.engines.engine import EngineModel
from whet.server.inference.engines.written import Counted, pieces_of
from whet.server.inference.streaming import Event
from whet.server.traces.recording import AskedPrompt
from whet.types import Message

WHY = "the service's own engine alone has it for /v1/completions."


@dataclass(frozen=True, slots=True)
class EngineCompletion:
    body: CompletionBody
    model: EngineModel
    asked: dict[str, Any]
    """The body of the request to the engine."""
    counted: Counted = field(default_factory=Counted)
    id: str = field(default_factory=lambda: new_id("cmpl-"))
    created: int = field(default_factory=lambda: int(time.time()))

    async def whole(self) -> dict[str, Any]:
        async with aclosing(self._pieces()) as stream:
            answers = await whole_answers(stream, self.number)
        choices = [_choice(number, answer.text, answer.end) for number, answer in enumerate(answers)]
        return self._object() | {"choices": choices, "usage": usage_of(self.counted.prompt, self.counted.written)}

    async def chunks(self) -> AsyncGenerator[Event]:
        async with aclosing(self._pieces()) as stream:
            async for piece in stream:
                yield None, self._object() | {"choices": [_choice(piece.index, piece.text, piece.end)]}
        if self.body.wants_usage:
            usage = usage_of(self.counted.prompt, self.counted.written)
            yield None, self._object() | {"choices": [], "usage": usage}

    @property
    def number(self) -> int:
        """Answers of each prompt, one after the other."""
        return len(self.body.prompts) * self.body.answers

    def _pieces(self) -> AsyncGenerator[Piece]:
        events = self.model.events("/completions", self.asked)
        return pieces_of(events, self.number, self.counted, self.model.meter, self.model.trace)

    def _object(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "text_completion",
            "created": self.created,
            "model": self.model.served.name,
            "system_fingerprint": self.model.fingerprint,
        }


def complete_there(body: CompletionBody, model: EngineModel) -> EngineCompletion:
    """Raises ApiError for what cannot be asked."""
    refuse_other_completions(body)
    for key in ("echo", "logprobs", "return_token_ids"):
        if getattr(body, key) not in (None, False):
            raise unsupported(key, WHY)
    if body.max_tokens == 0:
        raise ApiError(400, "max_tokens must be at least 1.", code="invalid_value", param="max_tokens")

    limit = USUAL_TOKENS if body.max_tokens is None else body.max_tokens
    asked = sampling(body, model.kind) | {"prompt": body.prompt, "max_tokens": limit} | STREAM
    if model.trace is None:
        return EngineCompletion(body, model, asked)
    model.trace.asked([AskedPrompt(_shown(prompt), None) for prompt in body.prompts], body.answers)
    return EngineCompletion(body, model, asked, id=model.trace.id)


def _shown(prompt: str | list[int]) -> list[Message]:
    """For a trace; what tokens mean, the engine alone knows."""
    return [{"role": "user", "content": prompt if isinstance(prompt, str) else json.dumps(prompt)}]


def _choice(number: int, text: str, end: str | None) -> dict[str, Any]:
    return {"index": number, "text": text, "logprobs": None, "finish_reason": end}
