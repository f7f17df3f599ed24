"""What is taken out of texts before they are written, by the doctor's detectors: personal data and secrets."""

from __future__ import annotations

import hashlib
from typing import Any

from whet.doctor.privacy.personal_data import personal_spans
from whet.doctor.privacy.redactions import redact, without_overlap
from whet.doctor.privacy.secrets import secret_spans
from whet.server.database.identifiers import storable

LONGEST_NAME = 200
"""Letters of a name that are kept."""


def redacted(text: str) -> str:
    """The text with `[EMAIL]`, `[SECRET]` and the like in the place of what was found, as a database can keep it."""
    text = storable(text)
    return redact(text, without_overlap([*secret_spans(text), *personal_spans(text)]))


def redacted_value(value: Any) -> Any:
    """A value of JSON with all its texts redacted, names of keys among them."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, list):
        return [redacted_value(inner) for inner in value]
    if isinstance(value, dict):
        return {redacted(key): redacted_value(inner) for key, inner in value.items()}
    return value


def pseudonym(name: str, project: str) -> str:
    """A name by which somebody is told from others. One that is long or holds personal data becomes a hash, the same
    each time within a project, so that their traces can still be erased by the name."""
    name = storable(name)
    if len(name) <= LONGEST_NAME and redacted(name) == name:
        return name
    return "hashed-" + hashlib.blake2b(name.encode(), key=project.encode()[:64], digest_size=16).hexdigest()
