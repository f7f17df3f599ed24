"""What every request passes before a route sees it: who it is from, how much they may ask, how large its body is.

Plain ASGI, so that answers are streamed as they are written and a client that leaves is noticed.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Any
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from whet.server.access.caller import Caller, caller_of
from whet.server.access.keys import KeyRing
from whet.server.access.rates import Rates, limits_of
from whet.server.errors import ApiError
from whet.server.metrics import Metrics
from whet.server.settings import Settings

OPEN = {"/health", "/ready", "/docs", "/openapi.json", "/llms.txt"}
"""Paths that tell nothing of anybody, and need no key."""
ANTHROPIC = ("/v1/messages", "/v1/messages/count_tokens", "/v1/messages/batches", "/v1/complete")
"""Of an API that is not spoken here: refused in such words whether there is a key or not."""
TOLD = "headers"
"""Where in the state of a request a route puts headers of its answer, whole or streamed."""
LOOPBACK = {"127.0.0.1", "localhost", "::1", "testserver"}
UPLOADS, ENVELOPE = "/v1/files", 1024 * 1024
"""Where files come in, and what a form may hold beside its file: the route measures the file itself."""


class Gate:
    """`everybody` is who asks where no key is needed."""

    def __init__(
        self, app: ASGIApp, settings: Settings, keys: KeyRing, rates: Rates, metrics: Metrics, everybody: Caller
    ) -> None:
        self.app, self.settings, self.keys, self.rates = app, settings, keys, rates
        self.metrics, self.everybody = metrics, everybody

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        extra = {"x-request-id": f"req_{uuid.uuid4().hex}"}
        begun = False

        async def sent(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                self._count(scope, message["status"])
                MutableHeaders(scope=message).update(extra | scope.get("state", {}).get(TOLD, {}))
            await send(message)

        try:
            extra |= await self._admitted(scope)
            await self.app(scope, self._bounded(scope, receive), sent)
        except ApiError as error:
            if begun:  # the answer is under way: nothing else can be said, and its end is missing
                raise
            await JSONResponse(error.body(), error.status, error.headers)(scope, receive, sent)

    def _count(self, scope: Scope, status: int) -> None:
        """By the route's pattern, so that names of things do not become series."""
        route = getattr(scope.get("route"), "path", "unknown")
        self.metrics.requests.labels(scope["method"], route, str(status)).inc()

    async def _admitted(self, scope: Scope) -> dict[str, str]:
        """Headers of what the caller may still ask. The caller is put into the request's state."""
        headers = Headers(scope=scope)
        state = scope.setdefault("state", {})
        if "caller" in state:  # a gate before this one let them in
            return {}
        if not self.settings.auth:
            refuse_foreign_pages(headers)
            state["caller"] = self.everybody
            return {}

        if scope["path"] in OPEN or scope["path"] in ANTHROPIC:
            return {}
        state["caller"], left = await run_in_threadpool(self._known, headers.get("authorization"))
        return left

    def _known(self, authorization: str | None) -> tuple[Caller, dict[str, str]]:
        """Who asks, and the headers of what they may still ask."""
        caller = caller_of(authorization, self.keys)
        return caller, self.rates.admit(str(caller.key), limits_of(caller, self.settings))

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        """The body, as long as it is not too large and goes on coming."""
        uploads = scope["path"].rstrip("/") == UPLOADS
        most = self.settings.most_body + ENVELOPE if uploads else self.settings.most_json
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdigit() and int(announced) > most:
            raise too_large(most)

        seen, whole = 0, False

        async def received() -> Message:
            nonlocal seen, whole
            if whole:  # what comes now is that the client has gone, however late
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), self.settings.body_seconds)
            except TimeoutError:
                what = f"The body stopped coming: nothing for {self.settings.body_seconds:g} s."
                raise ApiError(408, what, code="body_timeout") from None

            seen += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if seen > most:
                raise too_large(most)
            return message

        return received


def refuse_foreign_pages(headers: Headers) -> None:
    """Without keys, any page in the browser of this machine could ask: names that lead here from elsewhere (DNS
    rebinding) and pages of other origins are refused. Raises ApiError 421, 403."""
    if _host(headers.get("host", "")) not in LOOPBACK:
        raise ApiError(421, "Without keys this service answers on loopback alone.", code="misdirected_request")
    origin = headers.get("origin")
    if origin and urlsplit(origin).hostname not in LOOPBACK:
        what = "Without keys this service does not answer pages of other origins."
        raise ApiError(403, what, code="foreign_origin")


def too_large(most: int) -> ApiError:
    return ApiError(413, f"The body is larger than {most:,} bytes.", code="body_too_large")


def _host(given: str) -> Any:
    try:
        return urlsplit(f"//{given}").hostname
    except ValueError:
        return None
