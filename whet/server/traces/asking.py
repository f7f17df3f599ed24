"""Who asks, and for which of their uses: what a request says of itself beside its question."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from pydantic import BaseModel

from whet.monitoring.trace import text_of
from whet.server.access.caller import Caller
from whet.server.database.identifiers import storable
from whet.server.traces.redacting import LONGEST_NAME, pseudonym, redacted
from whet.types import Message

WORKLOAD = "x-whet-workload"
"""The header that names a use."""
INSTRUCTIONS = ("system", "developer")


@dataclass(frozen=True, slots=True)
class TrialSide:
    """Of a request to a model of which a version is tried beside the live one."""

    trial: str
    side: str
    """As Trace.side."""
    shadow_of: str | None = None


@dataclass(frozen=True, slots=True)
class Asking:
    project: str
    key: str | None
    workload: str | None = None
    client: str | None = None
    conversation: str | None = None
    tried: TrialSide | None = None


def asking_of(request: Request, body: BaseModel, caller: Caller) -> Asking:
    """What is no text is as good as not said: these keys change no answer, so none is refused for them."""
    more = body.model_extra or {}
    metadata = more.get("metadata")
    told = metadata if isinstance(metadata, Mapping) else {}
    workload = _first_text(request.headers.get(WORKLOAD), told.get("workload"))
    client = _first_text(more.get("safety_identifier"), more.get("user"), told.get("user_id"))
    conversation = _first_text(told.get("conversation"))
    return Asking(
        caller.project,
        caller.key,
        redacted(workload)[:LONGEST_NAME] if workload else None,
        pseudonym(client, caller.project) if client else None,
        pseudonym(conversation, caller.project) if conversation else None,
    )


def workload_of(messages: Sequence[Message]) -> str | None:
    """Of a request that names none: one name for each system prompt; None without one."""
    texts = [text_of(message) for message in messages if message.get("role") in INSTRUCTIONS]
    if not texts:
        return None
    return "system-" + hashlib.sha256("\n".join(texts).encode("utf-8", "replace")).hexdigest()[:16]


def _first_text(*given: Any) -> str | None:
    return next((name for name in given if isinstance(name, str) and storable(name)), None)
