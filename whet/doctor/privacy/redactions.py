"""Places in a text that are to be redacted, each with what is there."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple


class Redaction(NamedTuple):
    start: int
    end: int
    kind: str


def without_overlap(spans: Iterable[Redaction]) -> list[Redaction]:
    """The spans in the order of the text; of those that overlap, the one that was given first."""
    kept: list[Redaction] = []  # in order and apart, so that only the two neighbours can overlap
    for span in spans:
        place = bisect_left(kept, span)
        before_next = place == len(kept) or span.end <= kept[place].start
        behind_last = place == 0 or kept[place - 1].end <= span.start
        if before_next and behind_last:
            kept.insert(place, span)
    return kept


def redact(text: str, spans: list[Redaction]) -> str:
    """The text with `[KIND]` in the place of each span; the spans are apart and in order."""
    pieces, last = [], 0
    for start, end, kind in spans:
        pieces += [text[last:start], f"[{kind}]"]
        last = end
    return "".join([*pieces, text[last:]])
