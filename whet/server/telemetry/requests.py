"""A span for each request to a model: from its first byte to the last of its answer, in the trace of its caller."""

from __future__ import annotations

import json
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from whet.server.telemetry.attributes import (
    OPERATIONS,
    content_of_answer,
    content_of_request,
    of_answer,
    of_request,
)
from whet.server.telemetry.opening import Telemetry
from whet.server.telemetry.watch import WATCH, Watch

LEFT = "client_closed_request"


class Traced:
    """What lies inside is admitted already: a request without a key is none to a model."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self.app, self.telemetry = app, telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        operation = OPERATIONS.get(scope.get("path", "").rstrip("/"))
        if scope["type"] != "http" or scope["method"] != "POST" or operation is None:
            await self.app(scope, receive, send)
            return

        asked, watch = bytearray(), Watch(self.telemetry.content)

        async def received() -> Message:
            message = await receive()
            asked.extend(message.get("body", b""))
            return message

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] >= 400 and watch.error is None:
                watch.error = str(message["status"])
            await send(message)

        span = self._begin(scope, operation)
        token = WATCH.set(watch)
        try:
            await self.app(scope, received, sent)
        except BaseException as error:
            watch.error = watch.error or type(error).__qualname__
            raise
        finally:
            WATCH.reset(token)
            self._end(span, operation, watch, bytes(asked))

    def _begin(self, scope: Scope, operation: str) -> Any:
        from opentelemetry.trace import SpanKind

        host, port = scope.get("server") or (None, None)
        place = {"server.address": host, "server.port": port} if host else {}
        caller = self.telemetry.caller_of(Headers(scope=scope))
        return self.telemetry.tracer.start_span(operation, caller, SpanKind.SERVER, place)

    def _end(self, span: Any, operation: str, watch: Watch, asked: bytes) -> None:
        if not span.is_recording():
            return
        body = _read(asked)
        told = of_request(operation, body)
        if "gen_ai.request.model" in told:
            span.update_name(f"{operation} {told['gen_ai.request.model']}")
        span.set_attributes(told | of_answer(watch, body.get("stream") is True))
        if self.telemetry.content:
            span.set_attributes(content_of_request(body) | content_of_answer(watch.answer))
        self._fail(span, watch)
        span.end()

    def _fail(self, span: Any, watch: Watch) -> None:
        from opentelemetry.trace import StatusCode

        error = watch.error or (LEFT if "abort" in watch.ends.values() else None)
        if error is not None:
            span.set_attribute("error.type", error)
            span.set_status(StatusCode.ERROR)


def _read(asked: bytes) -> dict[str, Any]:
    """The body; empty where it is none."""
    try:
        body = json.loads(asked)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
