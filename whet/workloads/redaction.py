"""Personal data and secrets, taken out of what a log holds before any of it is written."""

from __future__ import annotations

from typing import Any

from whet.doctor.privacy.personal_data import personal_spans
from whet.doctor.privacy.redactions import redact, without_overlap
from whet.doctor.privacy.secrets import secret_spans


def redacted(text: str) -> str:
    """The text with `[EMAIL]`, `[SECRET]` and the like in the place of what the doctor's detectors found."""
    return redact(text, without_overlap([*secret_spans(text), *personal_spans(text)]))


def redacted_value(value: Any) -> Any:
    """A value of JSON with all its texts redacted; names of keys stay."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, list):
        return [redacted_value(inner) for inner in value]
    if isinstance(value, dict):
        return {key: redacted_value(inner) for key, inner in value.items()}
    return value
