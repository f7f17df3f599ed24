"""POST /v1/chat/completions."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from whet.server.access.caller import Inferring
from whet.server.inference.chat_objects import ChatShape
from whet.server.inference.conversation import ChatBody, prepare
from whet.server.inference.streaming import event_stream, while_there
from whet.server.knowledge.sources import asked_in_chat, sources_of
from whet.server.service import service_of

router = APIRouter(prefix="/v1", tags=["chat"])


@router.post("/chat/completions", response_model=None)
async def create_chat_completion(request: Request, body: ChatBody, caller: Inferring) -> Response | dict[str, Any]:
    """An answer to a conversation, whole or as server-sent events."""
    opened = await service_of(request).answering.writer(body.model, caller)
    sources = sources_of(service_of(request).library, opened.served, caller, asked_in_chat(body.documents))
    shape = ChatShape(await prepare(body, opened, sources), bool(body.logprobs), body.wants_usage)
    if body.stream:
        return await event_stream(request, shape.chunks())
    return await while_there(request, shape.whole())
