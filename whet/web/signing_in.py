"""Signing in: by the link that `whet studio` prints, or with a key of the service."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from whet.web.asked import Anybody, Asked
from whet.web.gate import cookie_header
from whet.web.page import PageRoute, show
from whet.web.sessions import COOKIE, HERE

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/login")
def enter(asked: Anybody, next: str = "/", entry: str = "") -> Response:
    """With the right `entry`, a session; else the form."""
    if entry and asked.sessions.is_entry(entry):
        return _begun(asked, HERE, next)
    if asked.session:
        return RedirectResponse(own_path(next), 303)
    wrong = "This link is of an earlier start: take the one that was printed last." if entry else ""
    return show(asked, "templates/login.html.j2", next=own_path(next), wrong=wrong)


@router.post("/login")
def sign_in(asked: Anybody, key: Annotated[str, Form()] = "", next: Annotated[str, Form()] = "/") -> Response:
    found = asked.service.keys.verify(key.strip())
    if found is None:
        wrong = "This key is not known, or was revoked. whet keys create NAME makes one."
        return show(asked, "templates/login.html.j2", status=401, next=own_path(next), wrong=wrong)
    return _begun(asked, found.id, next)


@router.post("/logout")
def leave(request: Request) -> Response:
    answer = Response(status_code=204, headers={"hx-redirect": "/login"})
    answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax")
    return answer


def own_path(next: str) -> str:
    """Where to go afterwards: a path of this studio, never another address."""
    parts = urlsplit(next)
    if parts.scheme or parts.netloc or not next.startswith("/") or next.startswith(("//", "/\\")):
        return "/"
    return next


def _begun(asked: Asked, key: str, next: str) -> Response:
    _, cookie = asked.sessions.begin(key)
    secure = asked.request.url.scheme == "https"
    return RedirectResponse(own_path(next), 303, headers={"set-cookie": cookie_header(cookie, secure)})
