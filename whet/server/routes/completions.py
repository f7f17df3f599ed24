"""POST /v1/completions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from whet.server.access.caller import Inferring
from whet.server.inference.completion import CompletionBody
from whet.server.inference.preparing import prepare_text
from whet.server.inference.streaming import event_stream, while_there
from whet.server.service import service_of
from whet.server.traces.asking import asking_of

router = APIRouter(prefix="/v1", tags=["completions"])


@router.post("/completions", response_model=None)
async def create_completion(request: Request, body: CompletionBody, caller: Inferring) -> Response | dict[str, Any]:
    """How a plain text goes on, whole or as server-sent events."""
    service = service_of(request)
    opened = await service.answering.writer(body.model, caller)
    with service.tracing.begin("cmpl-", asking_of(request, body, caller), opened.answerer) as trace:
        completion = await prepare_text(body, replace(opened, trace=trace))
        if body.stream:
            return await event_stream(request, completion.chunks())
        return await while_there(request, completion.whole())
