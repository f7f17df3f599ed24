"""POST /v1/chat/completions."""

from __future__ import annotations

from dataclasses import replace
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
from whet.server.traces.asking import asking_of

router = APIRouter(prefix="/v1", tags=["chat"])


@router.post("/chat/completions", response_model=None)
async def create_chat_completion(request: Request, body: ChatBody, caller: Inferring) -> Response | dict[str, Any]:
    """An answer to a conversation, whole or as server-sent events."""
    service = service_of(request)
    opened = await service.answering.writer(body.model, caller)
    with service.tracing.begin("chatcmpl-", asking_of(request, body, caller), opened.answerer) as trace:
        sources = sources_of(service.library, opened.served, caller, asked_in_chat(body.documents))
        asked = await prepare_chat(body, replace(opened, trace=trace), sources)
        shape = ChatShape(asked, bool(body.logprobs), body.wants_usage, trace.id)
        if body.stream:
            return await event_stream(request, shape.chunks())
        return await while_there(request, shape.whole())
