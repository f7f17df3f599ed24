"""Server-sent events, and clients that leave: an answer that nobody reads is not written on."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.types import Send

from whet.errors import WhetError
from whet.server.errors import ApiError
from whet.server.inference.hosting.host import as_api_error
from whet.server.telemetry.watch import note_answer, note_error, note_part

DONE = "data: [DONE]\n\n"
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
"""A proxy between must hand each event on at once."""
T = TypeVar("T")
Event = tuple[str | None, dict[str, Any]]
"""The name of an event, where it has one, and its data."""
log = logging.getLogger("whet.server")


async def while_there(request: Request, work: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    """The answer that `work` makes, which is cancelled when the client leaves."""
    answer = await _while_there(request, work)
    note_answer(answer)
    return answer


async def _while_there(request: Request, work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({task, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ApiError(499, "The client left before the answer ended.", code="client_closed_request")
    finally:
        for one in (task, leaving):
            one.cancel()
        await asyncio.gather(task, leaving, return_exceptions=True)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def event_stream(request: Request, events: AsyncGenerator[Event], done: bool = True) -> StreamingResponse:
    """The first event is waited for, so that what is wrong before it is an error with a status of its own. One that
    comes later is an event: {"error": ...}. `done`: "[DONE]" comes last."""

    async def first_of() -> Event:
        return await anext(events)

    try:
        first = await _while_there(request, first_of())
    except BaseException:
        await events.aclose()
        raise
    return _Events(_lines(first, events, done))


async def _lines(first: Event, events: AsyncGenerator[Event], done: bool) -> AsyncGenerator[str]:
    async with aclosing(events):
        try:
            yield _line(first)
            async for event in events:
                yield _line(event)
        except (ApiError, WhetError) as error:
            yield _failed(as_api_error(error), done)
        except Exception as error:
            log.exception("a stream failed", exc_info=error)
            yield _failed(as_api_error(error), done)
        if done:
            yield DONE


def _failed(error: ApiError, done: bool) -> str:
    note_error(error.code or str(error.status))
    return _line((None if done else "error", _shown(error, done)))


def _line(event: Event) -> str:
    name, data = event
    note_part(data)
    text = f"data: {json.dumps(data, ensure_ascii=False)}\n\n"
    return f"event: {name}\n{text}" if name else text


def _shown(error: ApiError, done: bool) -> dict[str, Any]:
    """Streams with named events have the error's own keys beside its type."""
    if done:
        return error.body()
    return {"type": "error", "code": error.code, "message": error.message, "param": error.param, "sequence_number": 0}


class _Events(StreamingResponse):
    """Closes its lines at once when the client leaves, not when Python collects them."""

    def __init__(self, lines: AsyncGenerator[str]) -> None:
        super().__init__(lines, media_type="text/event-stream", headers=HEADERS)
        self.lines = lines

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self.lines):
            await super().stream_response(send)
