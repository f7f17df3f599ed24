"""What a request for a page passes first: who sits there, and that the request is from a page of the studio.

It stands before the gate of the API (whet/server/access/gate.py), which lets through whom this one let in. A cookie
opens pages alone, never the API: so no page elsewhere can use it there.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from whet.server.access.caller import Caller, caller_with
from whet.server.access.gate import refuse_foreign_pages
from whet.server.access.keys import KeyRing
from whet.server.errors import ApiError
from whet.web.sessions import COOKIE, HEADER, HERE, LIFE_SECONDS, Session, Sessions

OPEN = {"login", "static"}
"""First parts of paths that need no session."""
SAFE = {"GET", "HEAD"}
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "style-src-attr 'unsafe-inline'",  # of bars and marks that are drawn to scale
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
}


class StudioGate:
    """`pages` are the first parts of the studio's paths. `here` is who sits there where no key is asked for;
    `on_loopback`, whether this machine alone is listened to."""

    def __init__(
        self,
        app: ASGIApp,
        pages: Sequence[str],
        sessions: Sessions,
        keys: KeyRing,
        here: Caller,
        open_to_all: bool,
        on_loopback: bool,
    ) -> None:
        self.app, self.pages, self.sessions, self.keys, self.here = app, frozenset(pages), sessions, keys, here
        self.open_to_all, self.on_loopback = open_to_all, on_loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or first_part(scope["path"]) not in self.pages:
            await self.app(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("cache-control", "private, no-cache")
                if given := scope.get("state", {}).get("cookie"):
                    headers.append("set-cookie", cookie_header(given, scope["scheme"] == "https"))
            await send(message)

        refused = await self._refused(scope)
        await (refused or self.app)(scope, receive, sent)

    async def _refused(self, scope: Scope) -> Response | None:
        """What is answered in the place of the page; None lets the request through."""
        request, headers = HTTPConnection(scope), Headers(scope=scope)
        state = scope.setdefault("state", {})
        try:
            if self.on_loopback:
                refuse_foreign_pages(headers)
            if scope["method"] not in SAFE:
                refuse_other_origin(headers)
        except ApiError as error:
            return Response(error.message, error.status, media_type="text/plain")

        session, cookie = self.sessions.read(request.cookies.get(COOKIE)), None
        if session is None and self.open_to_all:
            session, cookie = self.sessions.begin(HERE)
        caller = await run_in_threadpool(self._caller, session) if session else None
        if caller is None and first_part(scope["path"]) not in OPEN:
            return self._to_login(scope, headers)

        state["caller"] = caller or Caller(self.here.project, self.here.project_name, None, frozenset())
        state["session"], state["cookie"] = session if caller else None, cookie
        if caller and session and scope["method"] not in SAFE and first_part(scope["path"]) not in OPEN:
            if not self.sessions.is_token(session, headers.get(HEADER)):
                return Response("This page is too old: load it again.", 403, media_type="text/plain")
        return None

    def _caller(self, session: Session) -> Caller | None:
        if session.key == HERE:
            return self.here
        key = self.keys.find(session.key)
        return caller_with(key) if key else None

    def _to_login(self, scope: Scope, headers: Headers) -> Response:
        query = scope["query_string"].decode("latin-1")
        there = "/login?next=" + quote(scope["path"] + (f"?{query}" if query else ""), safe="")
        if "hx-request" in headers:
            return Response(status_code=401, headers={"hx-redirect": there})
        if scope["method"] not in SAFE:
            return Response("Sign in first: /login", 401, media_type="text/plain")
        return RedirectResponse(there, 303)


def cookie_header(value: str, secure: bool) -> str:
    """Lax: a link that somebody shared opens, and nothing is changed by it."""
    parts = (f"{COOKIE}={value}", "Path=/", f"Max-Age={LIFE_SECONDS}", "HttpOnly", "SameSite=Lax")
    return "; ".join((*parts, "Secure") if secure else parts)


def first_part(path: str) -> str:
    return path.split("/", 2)[1] if path.startswith("/") else path


def refuse_other_origin(headers: Headers) -> None:
    """What changes something comes from a page of this very address. Raises ApiError 403."""
    origin = headers.get("origin")
    is_foreign = origin is not None and urlsplit(origin).netloc != headers.get("host", "")
    if is_foreign or headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise ApiError(403, "The studio takes no requests from pages of other addresses.", code="foreign_origin")
