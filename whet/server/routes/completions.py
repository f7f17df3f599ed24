"""POST /v1/completions."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from whet.server.access.caller import Inferring
from whet.server.inference.completion import CompletionBody, prepare_completion
from whet.server.inference.streaming import event_stream, while_there
from whet.server.service import service_of

router = APIRouter(prefix="/v1", tags=["completions"])


@router.post("/completions", response_model=None)
async def create_completion(request: Request, body: CompletionBody, caller: Inferring) -> Response | dict[str, Any]:
    """How a plain text goes on, whole or as server-sent events."""
    opened = await service_of(request).answering.writer(body.model, caller)
    completion = await prepare_completion(body, opened)
    if body.stream:
        return await event_stream(request, completion.chunks())
    return await while_there(request, completion.whole())
