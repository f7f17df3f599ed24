"""Who asks: the project whose things a request may see, and what it may do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from whet.server.access.keys import Key, KeyRing
from whet.server.errors import ApiError

INFER, TRAIN, ADMIN = "infer", "train", "admin"
SCOPES = (INFER, TRAIN, ADMIN)
"""What a key may do: answer with models; upload files and run jobs; make keys and see everybody's use."""


@dataclass(frozen=True, slots=True)
class Caller:
    project: str
    project_name: str
    key: str | None
    """None without authentication."""
    scopes: frozenset[str]
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


def with_scope(scope: str) -> Callable[[Request], Caller]:
    """A dependency: the caller of this request, who may do `scope`. Raises ApiError 401, 403."""

    def found(request: Request) -> Caller:
        caller: Caller = request.state.caller
        if scope not in caller.scopes:
            what = f"This key may not do this: it lacks the scope {scope!r}."
            raise ApiError(403, what, code="insufficient_scope")
        return caller

    return found


Inferring = Annotated[Caller, Depends(with_scope(INFER))]
Training = Annotated[Caller, Depends(with_scope(TRAIN))]
Administering = Annotated[Caller, Depends(with_scope(ADMIN))]


def caller_of(header: str | None, ring: KeyRing) -> Caller:
    """The caller whose key an Authorization header holds. Raises ApiError 401."""
    scheme, _, secret = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        what = "You didn't provide an API key: send it as 'Authorization: Bearer KEY'."
        raise ApiError(401, what, code="missing_api_key", headers={"WWW-Authenticate": "Bearer"})

    key = ring.verify(secret.strip())
    if key is None:
        raise ApiError(401, "This API key is not known, or was revoked.", code="invalid_api_key")
    return caller_with(key)


def caller_with(key: Key) -> Caller:
    limits = key.requests_per_minute, key.tokens_per_minute
    return Caller(key.project, key.project_name, key.id, frozenset(key.scopes), *limits)
