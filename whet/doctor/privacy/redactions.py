"""Places in a text that are to be redacted, each with what is there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Redaction(NamedTuple):
    start: int
    end: int
    kind: str


def without_overlap(spans: Iterable[Redaction]) -> list[Redaction]:
    """The spans in the order of the text; of those that overlap, the one that was given first."""
    kept: list[Redaction] = []
    for span in spans:
        if all(span.end <= other.start or other.end <= span.start for other in kept):
            kept.append(span)
    return sorted(kept)


def redact(text: str, spans: list[Redaction]) -> str:
    """The text with `[KIND]` in the place of each span; the spans are apart and in order."""
    pieces, last = [], 0
    for start, end, kind in spans:
        pieces += [text[last:start], f"[{kind}]"]
        last = end
    return "".join([*pieces, text[last:]])
