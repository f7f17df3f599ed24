"""Of places that overlap, the one that was given first counts."""

from __future__ import annotations

import random

from whet.doctor.privacy.redactions import Redaction, without_overlap


def by_all_pairs(spans: list[Redaction]) -> list[Redaction]:
    kept: list[Redaction] = []
    for span in spans:
        if all(span.end <= other.start or other.end <= span.start for other in kept):
            kept.append(span)
    return sorted(kept)


def test_it_is_what_a_look_at_all_pairs_gives() -> None:
    rng = random.Random(3)
    for _ in range(2000):
        starts = [rng.randrange(20) for _ in range(rng.randrange(9))]
        spans = [Redaction(start, start + rng.randrange(1, 7), rng.choice("AB")) for start in starts]
        assert without_overlap(spans) == by_all_pairs(spans), spans
