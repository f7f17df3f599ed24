"""POST /v1/completions."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from whet.server.access.caller import Inferring
from whet.server.inference.completion import Completion, CompletionBody
from whet.server.inference.engines.completion import EngineCompletion
from whet.server.inference.preparing import prepare_text
from whet.server.inference.streaming import event_stream, while_there
from whet.server.service import service_of
from whet.server.traces.recording import Recording
from whet.server.traffic.trying import Answers
from whet.server.traffic.writing import Writer, open_writer

router = APIRouter(prefix="/v1", tags=["completions"])


@router.post("/completions", response_model=None)
async def create_completion(request: Request, body: CompletionBody, caller: Inferring) -> Response | dict[str, Any]:
    """How a plain text goes on, whole or as server-sent events."""
    service = service_of(request)

    async def prepare(opened: Writer, trace: Recording) -> Completion | EngineCompletion:
        return await prepare_text(body, replace(opened, trace=trace))

    async def reply(completion: Completion | EngineCompletion) -> Response | dict[str, Any]:
        if body.stream:
            return await event_stream(request, completion.chunks())
        return await while_there(request, completion.whole())

    async def whole(completion: Completion | EngineCompletion) -> dict[str, Any]:
        return await completion.whole()

    answers = Answers("cmpl-", partial(open_writer, service.answering), prepare, reply, whole)
    return await service.traffic.answer(request, body, body.model, caller, answers)
