"""Answers in the shapes of OpenAI's chat completions, whole and in chunks."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from whet.server.database.identifiers import new_id
from whet.server.inference.answers import Piece, Token, WholeAnswer, whole_answers
from whet.server.inference.asked import Asked
from whet.server.inference.streaming import Event
from whet.server.inference.words.tools import MadeCall


@dataclass(frozen=True, slots=True)
class ChatShape:
    """Of one request."""

    asked: Asked
    logprobs: bool
    usage_in_stream: bool = False
    id: str = field(default_factory=lambda: new_id("chatcmpl-"))
    created: int = field(default_factory=lambda: int(time.time()))

    async def whole(self) -> dict[str, Any]:
        async with aclosing(self.asked.answers()) as stream:
            answers = await whole_answers(stream, self.asked.number)
        written = sum(answer.written for answer in answers)
        return (
            self._object("chat.completion")
            | {
                "choices": [self._choice(number, answer) for number, answer in enumerate(answers)],
                "usage": self.asked.usage(written),
            }
            | self._passages()
        )

    async def chunks(self) -> AsyncGenerator[Event]:
        begun: set[int] = set()
        written: dict[int, int] = {}
        texts: defaultdict[int, str] = defaultdict(str)
        async with aclosing(self.asked.answers()) as stream:
            async for piece in stream:
                written[piece.index] = piece.written
                texts[piece.index] += piece.text
                if piece.index not in begun:
                    begun.add(piece.index)
                    yield self._chunk(piece.index, {"role": "assistant", "content": "", "refusal": None})
                for event in self._deltas(piece, texts[piece.index]):
                    yield event

        if self.usage_in_stream:
            usage = self.asked.usage(sum(written.values()))
            yield None, self._object("chat.completion.chunk") | {"choices": [], "usage": usage}

    def _deltas(self, piece: Piece, whole: str) -> list[Event]:
        """`whole`: the text of the answer up to and with this piece."""
        events = []
        if piece.reasoning:
            events.append(self._chunk(piece.index, {"reasoning_content": piece.reasoning}))
        if piece.text or (piece.tokens and self.logprobs):
            events.append(self._chunk(piece.index, {"content": piece.text}, self._logprobs(piece.tokens)))
        for number, call in enumerate(piece.calls):
            delta = {"tool_calls": [{"index": number} | call_object(call)]}
            events.append(self._chunk(piece.index, delta))
        if piece.end is not None:
            _, last = self._chunk(piece.index, {}, end=piece.end)
            last["choices"][0] |= self._grounding(whole)
            events.append((None, last | self._passages()))
        return events

    def _chunk(
        self, index: int, delta: dict[str, Any], logprobs: dict[str, Any] | None = None, end: str | None = None
    ) -> Event:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": end}
        more = {"usage": None} if self.usage_in_stream else {}
        return None, self._object("chat.completion.chunk") | {"choices": [choice]} | more

    def _choice(self, number: int, answer: WholeAnswer) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": answer.text, "refusal": None}
        if answer.reasoning:
            message["reasoning_content"] = answer.reasoning
        if answer.calls:
            message["content"] = answer.text or None
            message["tool_calls"] = [call_object(call) for call in answer.calls]
        return {
            "index": number,
            "message": message,
            "logprobs": self._logprobs(answer.tokens),
            "finish_reason": answer.end,
        } | self._grounding(answer.text)

    def _passages(self) -> dict[str, Any]:
        """What the answers rest on, where documents were searched for them."""
        return {"passages": self.asked.sources.passages()} if self.asked.sources else {}

    def _grounding(self, text: str) -> dict[str, Any]:
        return {"grounding": self.asked.sources.grounding(text)} if self.asked.sources else {}

    def _logprobs(self, tokens: Sequence[Token]) -> dict[str, Any] | None:
        if not self.logprobs:
            return None
        return {"content": [self.asked.entry(token) for token in tokens], "refusal": None}

    def _object(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.asked.name,
            "system_fingerprint": self.asked.fingerprint,
            "service_tier": "default",
        }


def call_object(call: MadeCall) -> dict[str, Any]:
    return {
        "id": new_id("call_"),
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }
