"""Precision and recall of the search for personal data and secrets, on texts whose places are known.

    python -m bench.planted.labelled

A place counts as found where a span of the same kind overlaps it; a span that overlaps none is a false alarm.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from random import Random

from bench.planted.personal import PERSONAL, looks_personal, secret, sentence
from whet.doctor.privacy.personal_data import personal_spans
from whet.doctor.privacy.redactions import Redaction
from whet.doctor.privacy.secrets import secret_spans

Text = tuple[str, Redaction | None]


def labelled(random: Random, count: int) -> Iterator[Text]:
    """`count` texts of each kind, and as many again, for all kinds together, that only look as if."""
    makers = PERSONAL | {"SECRET": secret}
    for kind, make in makers.items():
        for _ in range(count):
            value = make(random)
            text, start = sentence(random, value)
            yield text, Redaction(start, start + len(value), kind)
    for _ in range(count * len(makers)):
        yield sentence(random, looks_personal(random))[0], None


def run(count: int = 1000, seed: int = 0) -> dict[str, dict[str, float]]:
    """Per kind: texts, precision and recall; under "all": of all kinds together."""
    hits, planted, named = (defaultdict(int) for _ in range(3))
    for text, label in labelled(Random(seed), count):
        spans = personal_spans(text) + secret_spans(text)
        if label is not None:
            planted[label.kind] += 1
            hits[label.kind] += any(_overlap(span, label) for span in spans)
        for span in spans:
            named[span.kind] += 1
            hits[f"true {span.kind}"] += label is not None and _overlap(span, label)
    kinds = list(planted)
    table = {
        kind: {
            "texts": planted[kind],
            "precision": hits[f"true {kind}"] / max(1, named[kind]),
            "recall": hits[kind] / planted[kind],
        }
        for kind in kinds
    }
    true, found = (sum(hits[prefix + kind] for kind in kinds) for prefix in ("true ", ""))
    whole = {"precision": true / sum(named.values()), "recall": found / sum(planted.values())}
    return table | {"all": {"texts": 2 * sum(planted.values()), **whole}}


def _overlap(span: Redaction, label: Redaction) -> bool:
    return span.kind == label.kind and span.start < label.end and label.start < span.end


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
