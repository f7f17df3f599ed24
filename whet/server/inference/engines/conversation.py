"""A conversation that an engine answers."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

from whet.server.inference.answers import Piece, Token, ToldToken, usage_of
from whet.server.inference.conversation import ChatBody
from whet.server.inference.engines.chat_request import chat_request
from whet.server.inference.engines.engine import EngineModel
from whet.server.inference.engines.written import Counted, pieces_of
from whet.server.inference.sources import Sources
from whet.server.inference.words.guides import schema_of
from whet.server.traces.record import AskedForm
from whet.server.traces.recording import AskedPrompt


@dataclass(frozen=True, slots=True)
class EngineConversation:
    model: EngineModel
    asked: dict[str, Any]
    """The body of the request to the engine."""
    number: int
    sources: Sources | None = None
    counted: Counted = field(default_factory=Counted)

    @property
    def name(self) -> str:
        return self.model.served.name

    @property
    def fingerprint(self) -> str:
        return self.model.fingerprint

    def answers(self) -> AsyncGenerator[Piece]:
        events = self.model.events("/chat/completions", self.asked)
        return pieces_of(events, self.number, self.counted, self.model.meter, self.model.trace)

    def entry(self, token: Token) -> dict[str, Any]:
        assert isinstance(token, ToldToken)
        return token.entry

    def usage(self, written: int) -> dict[str, Any]:
        return usage_of(self.counted.prompt, self.counted.written)


def prepare_there(body: ChatBody, model: EngineModel) -> EngineConversation:
    """Raises ApiError for what cannot be asked."""
    asked = chat_request(body, model.kind, model.there)
    if model.trace:
        form = AskedForm(*schema_of(body.response_format))
        model.trace.asked([AskedPrompt(body.messages, None)], body.answers, body.tools, form)
    return EngineConversation(model, asked, body.answers)
