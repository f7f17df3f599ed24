"""A conversation that is to be answered: from the body of a request to what the host writes."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from whet.errors import WhetError
from whet.generation.serving.request import AnswerRequest, WrittenToken
from whet.generation.serving.token_choice import TokenChoice
from whet.server.errors import ApiError, of_whet
from whet.server.inference.answers import Piece, Token, Writing, usage_of, written_by
from whet.server.inference.bodies import NOT_HERE, ResponseFormat, SamplingBody, refuse_unknown
from whet.server.inference.hosting.hosts import OpenedModel
from whet.server.inference.sources import DocumentsBody, Sources
from whet.server.inference.token_objects import token_logprob
from whet.server.inference.words.guides import Form, form_of, schema_of
from whet.server.inference.words.messages import read_messages
from whet.server.inference.words.tools import ToolUse, read_tools
from whet.server.traces.record import AskedForm
from whet.server.traces.recording import AskedPrompt
from whet.types import Message

MOST_TOP = 20
USUAL_ROOM = 128
"""Tokens of an answer that passages leave room for, where no fewer are asked for."""
SPEECH = "this service reads and writes text."
ANTHROPIC = {
    "system": "it is Anthropic's form; send a message of the role 'system'.",
    "stop_sequences": "it is Anthropic's form; send stop.",
    "max_tokens_to_sample": "it is Anthropic's form; send max_completion_tokens.",
    "thinking": "it is Anthropic's form, and no model here has a budget for it; leave it out.",
    "anthropic_version": "this service speaks OpenAI's API.",
    "anthropic_beta": "this service speaks OpenAI's API.",
    "mcp_servers": NOT_HERE,
}
REFUSED = ANTHROPIC | {
    "functions": "it is OpenAI's legacy form; send tools.",
    "function_call": "it is OpenAI's legacy form; send tool_choice.",
    "audio": SPEECH,
    "modalities": SPEECH,
    "prediction": NOT_HERE,
    "web_search_options": NOT_HERE,
    "reasoning_effort": "no model here has levels of effort; leave it out.",
    "verbosity": "no model here has levels of it; leave it out, or ask for it in a message.",
    "moderation": "ask /v1/moderations.",
    "prompt_cache_options": NOT_HERE,
    "best_of": "send n.",
    "suffix": NOT_HERE,
    "echo": "it belongs to /v1/completions.",
}


class ChatBody(SamplingBody):
    messages: list[dict[str, Any]]
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=MOST_TOP)] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    documents: bool | DocumentsBody | None = None
    """This service's own: OpenAI's API searches files for responses alone."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """Ready to be written."""

    opened: OpenedModel
    writing: Writing
    requests: list[AnswerRequest]
    prompt_tokens: int
    """With what was put at the beginning of the answer."""
    sources: Sources | None = None
    """What the answer rests on besides."""

    @property
    def name(self) -> str:
        return self.opened.served.name

    @property
    def fingerprint(self) -> str:
        return self.opened.fingerprint

    @property
    def number(self) -> int:
        return len(self.requests)

    def answers(self) -> AsyncGenerator[Piece]:
        return written_by(self.writing, self.requests)

    def entry(self, token: Token) -> dict[str, Any]:
        assert isinstance(token, WrittenToken)
        return token_logprob(token, self.opened.wording.bytes)

    def usage(self, written: int) -> dict[str, Any]:
        return usage_of(self.prompt_tokens, written)


async def prepare(body: ChatBody, opened: OpenedModel, sources: Sources | None = None) -> Conversation:
    """`sources` puts passages of documents into it. Raises ApiError for what cannot be asked."""
    refuse_unknown(body, REFUSED)
    refuse_lonely_top(body)
    if not opened.has_conversations:
        what = f"{opened.served.name!r} learned plain text, no conversations: ask it at /v1/completions."
        raise ApiError(400, what, code="model_not_supported", param="model")
    return await asyncio.to_thread(_prepare, body, opened, sources)


def refuse_lonely_top(body: ChatBody) -> None:
    """Raises ApiError."""
    if body.top_logprobs and not body.logprobs:
        what = "top_logprobs needs logprobs: true."
        raise ApiError(400, what, code="invalid_value", param="top_logprobs")


def _prepare(body: ChatBody, opened: OpenedModel, sources: Sources | None) -> Conversation:
    use = read_tools(body.tools, body.tool_choice, body.parallel_tool_calls)
    schema, wants_json = schema_of(body.response_format)
    form = form_of(schema, wants_json, use, opened.wording)
    prompt = _prompt(body, use, form, opened, sources)
    asked = body.max_completion_tokens or body.max_tokens
    limit = room_for(prompt, asked, opened.context, "messages")

    requests = []
    for choice in choices_of(body, opened.size, body.top_logprobs or 0):
        guide = form.make() if form.make else None
        requests.append(AnswerRequest(prompt, opened.wording.stop_ids, limit, opened.adapter, choice, guide))
    called = use if use.may_call else None
    writing = Writing(opened.host, opened.wording, body.stops, called, opened.meter, opened.trace)
    if opened.trace:
        asked_form = AskedForm(schema, wants_json)
        opened.trace.asked([AskedPrompt(body.messages, len(prompt))], body.answers, body.tools, asked_form)
    return Conversation(opened, writing, requests, len(prompt), sources)


def _prompt(body: ChatBody, use: ToolUse, form: Form, opened: OpenedModel, sources: Sources | None) -> list[int]:
    messages = read_messages(body.messages, opened.wording)

    def size(shown: list[Message]) -> int:
        return len(opened.wording.prompt(shown, use.shown, form.beginning))

    try:
        if sources is not None:
            room = min(body.max_completion_tokens or body.max_tokens or USUAL_ROOM, USUAL_ROOM)
            messages = sources.arrange(messages, size, opened.context - room)
        return opened.wording.prompt(messages, use.shown, form.beginning)
    except WhetError as error:
        raise of_whet(error, "messages") from error


def choices_of(body: SamplingBody, vocabulary: int, top_logprobs: int = 0) -> list[TokenChoice]:
    """One for each answer. The first has the seed that was given, the others seeds that follow from it."""
    seed = secrets.randbits(62) if body.seed is None else body.seed
    return [body.choice(_seed(seed, number), vocabulary, top_logprobs) for number in range(body.answers)]


def _seed(seed: int, number: int) -> int:
    if number == 0:
        return seed
    digest = hashlib.blake2b(f"{seed}:{number}".encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big")


def room_for(prompt: list[int], asked: int | None, context: int, param: str) -> int:
    """Most tokens of an answer. Raises ApiError where the prompt leaves no room for one."""
    room = context - len(prompt)
    if room < 1:
        what = f"This model's maximum context length is {context:,} tokens, and the {param} have {len(prompt):,}."
        raise ApiError(400, what, code="context_length_exceeded", param=param)
    if not prompt:
        raise ApiError(400, f"{param}: there is nothing to answer.", code="invalid_value", param=param)
    return min(room, asked or room)
