"""POST /v1/chat/completions."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from whet.server.access.caller import Inferring
from whet.server.inference.chat_objects import ChatShape
from whet.server.inference.conversation import ChatBody
from whet.server.inference.preparing import prepare_chat
from whet.server.inference.streaming import event_stream, while_there
from whet.server.knowledge.sources import asked_in_chat, sources_of
from whet.server.service import service_of
from whet.server.traces.recording import Recording
from whet.server.traffic.trying import Answers
from whet.server.traffic.writing import Writer, open_writer

router = APIRouter(prefix="/v1", tags=["chat"])


@router.post("/chat/completions", response_model=None)
async def create_chat_completion(request: Request, body: ChatBody, caller: Inferring) -> Response | dict[str, Any]:
    """An answer to a conversation, whole or as server-sent events."""
    service = service_of(request)

    async def prepare(opened: Writer, trace: Recording) -> ChatShape:
        sources = sources_of(service.library, opened.served, caller, asked_in_chat(body.documents))
        asked = await prepare_chat(body, replace(opened, trace=trace), sources)
        return ChatShape(asked, bool(body.logprobs), body.wants_usage, trace.id)

    async def reply(shape: ChatShape) -> Response | dict[str, Any]:
        if body.stream:
            return await event_stream(request, shape.chunks())
        return await while_there(request, shape.whole())

    answers = Answers("chatcmpl-", partial(open_writer, service.answering), prepare, reply, ChatShape.whole)
    return await service.traffic.answer(request, body, body.model, caller, answers)
