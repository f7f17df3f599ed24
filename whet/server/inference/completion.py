"""Plain texts that go on, as OpenAI's older completions: from the body of a request to its answer's shape."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from whet.generation.serving.request import AnswerRequest, WrittenToken
from whet.server.database.identifiers import new_id
from whet.server.errors import ApiError, unsupported
from whet.server.inference.answers import Piece, Token, WholeAnswer, Writing, usage_of, whole_answers, written_by
from whet.server.inference.bodies import NOT_HERE, SamplingBody, refuse_unknown
from whet.server.inference.conversation import choices_of, room_for
from whet.server.inference.hosting.forced import forced_request
from whet.server.inference.hosting.hosts import OpenedModel
from whet.server.inference.streaming import Event
from whet.server.inference.token_objects import told
from whet.server.traces.recording import AskedPrompt

USUAL_TOKENS = 16
"""Of an answer where nothing is asked for, as OpenAI has it."""
MOST_PROMPTS = 128
REFUSED = {
    "messages": "they belong to /v1/chat/completions.",
    "tools": "they belong to /v1/chat/completions.",
    "response_format": "it belongs to /v1/chat/completions.",
    "max_completion_tokens": "send max_tokens.",
    "top_logprobs": "send logprobs with a number.",
    "stream_logprobs": NOT_HERE,
}


class CompletionBody(SamplingBody):
    prompt: str | list[str] | list[int] | list[list[int]]
    max_tokens: Annotated[int, Field(ge=0)] | None = None
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None
    echo: bool | None = None
    suffix: str | None = None
    best_of: int | None = None
    return_token_ids: bool | None = None
    """vLLM's: the tokens of an answer beside its text, by which `whet prove --url` reads them."""

    @property
    def prompts(self) -> list[str | list[int]]:
        if isinstance(self.prompt, str):
            return [self.prompt]
        if self.prompt and isinstance(self.prompt[0], int):
            return [self.prompt]  # type: ignore[list-item]
        return list(self.prompt)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class ReadPrompt:
    text: str
    ids: list[int]


@dataclass(frozen=True, slots=True)
class Completion:
    """Ready to be written: `answers` for each prompt, one after the other."""

    body: CompletionBody
    opened: OpenedModel
    prompts: list[ReadPrompt]
    requests: list[AnswerRequest]
    """Empty where nothing is to be written behind the prompts."""
    id: str = field(default_factory=lambda: new_id("cmpl-"))
    created: int = field(default_factory=lambda: int(time.time()))

    async def whole(self) -> dict[str, Any]:
        answers = [WholeAnswer(end="length") for _ in range(len(self.prompts) * self.body.answers)]
        if self.requests:
            async with aclosing(self._pieces()) as stream:
                answers = await whole_answers(stream, len(self.requests))
        echoed = await self._echoed()
        choices = []
        for number, answer in enumerate(answers):
            place = number // self.body.answers
            before = self.prompts[place].text if self.body.echo else ""
            tokens = [*echoed[place], *_own(answer.tokens)]
            choice = self._choice(number, before + answer.text, self._logprobs(tokens, 0), answer.end)
            if self.body.return_token_ids:
                choice["token_ids"] = [token.token for token in _own(answer.tokens)]
            choices.append(choice)
        usage = usage_of(sum(len(prompt.ids) for prompt in self.prompts), sum(one.written for one in answers))
        return self._object() | {"choices": choices, "usage": usage}

    async def chunks(self) -> AsyncGenerator[Event]:
        written: dict[int, int] = {}
        offsets: dict[int, int] = {}
        async with aclosing(self._pieces()) as stream:
            async for piece in stream:
                written[piece.index] = piece.written
                if self.body.echo and piece.index not in offsets:
                    before = self.prompts[piece.index // self.body.answers].text
                    offsets[piece.index] = len(before)
                    yield None, self._object() | {"choices": [self._choice(piece.index, before, None, None)]}
                offset = offsets.setdefault(piece.index, 0)
                tokens = _own(piece.tokens)
                logprobs = self._logprobs(tokens, offset)
                offsets[piece.index] += self._length(tokens)
                yield None, self._object() | {"choices": [self._choice(piece.index, piece.text, logprobs, piece.end)]}

        if self.body.wants_usage:
            usage = usage_of(sum(len(prompt.ids) for prompt in self.prompts), sum(written.values()))
            yield None, self._object() | {"choices": [], "usage": usage}

    def _pieces(self) -> AsyncGenerator[Piece]:
        opened = self.opened
        writing = Writing(opened.host, opened.wording, self.body.stops, meter=opened.meter, trace=opened.trace)
        return written_by(writing, self.requests)

    async def _echoed(self) -> list[list[WrittenToken | int]]:
        """The tokens of each prompt with their log-probabilities, where they are asked for; the first has none."""
        if not self.body.echo or self.body.logprobs is None:
            return [[] for _ in self.prompts]
        return list(await asyncio.gather(*(self._read_prompt(prompt) for prompt in self.prompts)))

    async def _read_prompt(self, prompt: ReadPrompt) -> list[WrittenToken | int]:
        first, rest = prompt.ids[0], prompt.ids[1:]
        if not rest:
            return [first]
        opened = self.opened
        request = forced_request([first], rest, opened.size, opened.adapter, self.body.logprobs or 0)
        async with aclosing(opened.host.enter(request).tokens()) as tokens:
            return [first, *[token async for token in tokens]]

    def _logprobs(self, tokens: Sequence[WrittenToken | int], offset: int) -> dict[str, Any] | None:
        if self.body.logprobs is None:
            return None
        table = self.opened.wording.bytes
        found: dict[str, list[Any]] = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
        for token in tokens:
            number = token if isinstance(token, int) else token.token
            found["tokens"].append(table.shown(number))
            found["text_offset"].append(offset)
            offset += len(table.shown(number))
            if isinstance(token, int):
                found["token_logprobs"].append(None)
                found["top_logprobs"].append(None)
            else:
                found["token_logprobs"].append(told(token.logprob))
                found["top_logprobs"].append({table.shown(other): told(logprob) for other, logprob in token.top})
        return found

    def _length(self, tokens: Sequence[WrittenToken]) -> int:
        return sum(len(self.opened.wording.bytes.shown(token.token)) for token in tokens)

    def _choice(self, number: int, text: str, logprobs: dict[str, Any] | None, end: str | None) -> dict[str, Any]:
        return {"index": number, "text": text, "logprobs": logprobs, "finish_reason": end}

    def _object(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "text_completion",
            "created": self.created,
            "model": self.opened.served.name,
            "system_fingerprint": self.opened.fingerprint,
        }


def refuse_other_completions(body: CompletionBody) -> None:
    """What nobody here writes. Raises ApiError."""
    refuse_unknown(body, REFUSED)
    if body.suffix:
        raise unsupported("suffix", "no model here was trained to fill a gap; leave it out.")
    if body.best_of is not None and body.best_of != body.answers:
        raise unsupported("best_of", "all answers are given, none is chosen; send n alone.")
    if not 1 <= len(body.prompts) <= MOST_PROMPTS:
        what = f"prompt takes 1 to {MOST_PROMPTS} prompts, and has {len(body.prompts):,}."
        raise ApiError(400, what, code="invalid_value", param="prompt")


async def prepare_completion(body: CompletionBody, opened: OpenedModel) -> Completion:
    """Raises ApiError for what cannot be asked."""
    refuse_other_completions(body)
    if body.max_tokens == 0 and not body.echo:
        what = "max_tokens must be at least 1, or 0 with echo: true."
        raise ApiError(400, what, code="invalid_value", param="max_tokens")
    if body.stream and body.echo and (body.logprobs is not None or body.max_tokens == 0):
        raise unsupported("stream", "log-probabilities of a prompt come at once; ask for them without stream.")
    if body.stream and body.return_token_ids:
        raise unsupported("return_token_ids", "tokens come with whole answers; ask without stream.")
    return await asyncio.to_thread(_prepare, body, opened)


def _prepare(body: CompletionBody, opened: OpenedModel) -> Completion:
    prompts = [_read(prompt, opened) for prompt in body.prompts]
    asked = USUAL_TOKENS if body.max_tokens is None else body.max_tokens
    requests = []
    for prompt in prompts:
        limit = room_for(prompt.ids, asked, opened.context, "prompt")
        for choice in choices_of(body, opened.size, body.logprobs or 0):
            if asked:
                requests.append(AnswerRequest(prompt.ids, opened.wording.stop_ids, limit, opened.adapter, choice))
    if opened.trace:
        asked_for = [AskedPrompt([{"role": "user", "content": one.text}], len(one.ids)) for one in prompts]
        opened.trace.asked(asked_for, body.answers)
        return Completion(body, opened, prompts, requests, opened.trace.id)
    return Completion(body, opened, prompts, requests)


def _own(tokens: Sequence[Token]) -> list[WrittenToken]:
    """Of the service's own engine, which writes all that is written here."""
    return [token for token in tokens if isinstance(token, WrittenToken)]


def _read(prompt: str | list[int], opened: OpenedModel) -> ReadPrompt:
    if isinstance(prompt, str):
        return ReadPrompt(prompt, opened.wording.ids(prompt))
    wrong = next((token for token in prompt if not 0 <= token < opened.size), None)
    if wrong is not None:
        what = f"prompt: {wrong} is no token of this model, which has the tokens 0 to {opened.size - 1:,}."
        raise ApiError(400, what, code="invalid_value", param="prompt")
    return ReadPrompt(opened.wording.decode(prompt, control=True), prompt)
