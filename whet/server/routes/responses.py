"""POST /v1/responses, a thin part: texts and calls of functions, nothing that is kept."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from whet.server.access.caller import Inferring
from whet.server.inference.preparing import prepare_chat
from whet.server.inference.response_objects import ResponseShape
from whet.server.inference.responses_body import ResponseBody
from whet.server.inference.streaming import event_stream, while_there
from whet.server.knowledge.sources import asked_in_tools, sources_of
from whet.server.service import service_of
from whet.server.traces.recording import Recording
from whet.server.traffic.trying import Answers
from whet.server.traffic.writing import Writer, open_writer

router = APIRouter(prefix="/v1", tags=["responses"])


@router.post("/responses", response_model=None)
async def create_response(request: Request, body: ResponseBody, caller: Inferring) -> Response | dict[str, Any]:
    """An answer to a text or a conversation, whole or as server-sent events."""
    service = service_of(request)

    async def prepare(opened: Writer, trace: Recording) -> ResponseShape:
        sources = sources_of(service.library, opened.served, caller, asked_in_tools(body.tools))
        asked = await prepare_chat(body.as_chat(), replace(opened, trace=trace), sources)
        return ResponseShape(asked, body, trace.id)

    async def reply(shape: ResponseShape) -> Response | dict[str, Any]:
        if body.stream:
            return await event_stream(request, shape.events(), done=False)
        return await while_there(request, shape.whole())

    answers = Answers("resp_", partial(open_writer, service.answering), prepare, reply, ResponseShape.whole)
    return await service.traffic.answer(request, body, body.model, caller, answers)
