"""Who meets a version that is tried: the same people at each request, and with a larger share more, never others."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import BaseModel

from whet.monitoring.trace import asked_first
from whet.server.traces.asking import Asking
from whet.store.model_registry import Trial

BITS = 53
"""Of a float's exact whole numbers: a place is below 1."""


def meets(trial: Trial, name: str, asking: Asking, body: BaseModel) -> bool:
    """Whether who asks is among those whom the version is for. In an A/B test nobody is who does not say who they are:
    what they say could not be told from what somebody else says."""
    if trial.kind == "ab" and asking.client is None:
        return False
    return place_of(f"{name}@{trial.version}", identity_of(asking, body)) < trial.share


def place_of(version: str, identity: str) -> float:
    """A place in 0..1 (exclusive), another for each version, which nothing but these two decides."""
    digest = hashlib.blake2b(f"{version}\n{identity}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> (64 - BITS)) / 2**BITS


def identity_of(asking: Asking, body: BaseModel) -> str:
    """The client where the request names one; else the conversation that it names, or that begins with these words:
    then who asks is not known, and at least a conversation goes on with the version that began it."""
    if asking.client is not None:
        return json.dumps([asking.project, "client", asking.client])
    if asking.conversation is not None:
        return json.dumps([asking.project, asking.key, "conversation", asking.conversation])
    return json.dumps([asking.project, asking.key, "words", first_words(body)])


def first_words(body: BaseModel) -> str:
    """What a request begins with: the first message of a person, or the text itself."""
    given: Any = next((getattr(body, key) for key in ("messages", "input", "prompt") if hasattr(body, key)), None)
    if isinstance(given, str):
        return given
    messages = [item for item in given or [] if isinstance(item, dict)]
    return asked_first(messages) or json.dumps(given)
