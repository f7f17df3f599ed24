"""Opponents, content and form for made-up runs, with the real metric, statistics and rules."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from whet.evaluation.metrics import scoring as metric
from whet.evaluation.verdict import decide
from whet.stats.paired import mean_interval, paired_difference
from whet.types import Difference, Row

LABELS = {
    "base": "its base",
    "constant": "always answering the commonest values",
    "prompted": "the base told the keys",
    "examples": "the base with three examples",
}
TOKENS = {"base": 48.0, "constant": None, "prompted": 131.0, "examples": 402.5}
DETAILS = {
    "constant": "The most frequent value of each key, of 1,921 training rows.",
    "prompted": "The second of three phrasings, chosen on 60 validation rows.",
    "examples": "Asked on 120 of 240 test rows, so that it takes less than 30% of the run; the nearest three of the "
    "training rows.",
}

Said = dict[str, list[str]]
"""The answers of each opponent, one a row."""


def answers_of(name: str, rows: Sequence[Row], skill: float, wrong: Callable[[Row], str]) -> list[str]:
    rng = random.Random(name)
    return [row.reference if rng.random() < skill else wrong(row) for row in rows]


def against(
    said: Said, metric_name: str, rows: Sequence[Row], tuned: Sequence[float], labels: dict[str, str] = LABELS
) -> dict[str, Any]:
    """The keys `against` and `strongest` of a verdict; an opponent with fewer answers was asked on the first rows."""
    entries = []
    for name, texts in said.items():
        scores = [metric.score(metric_name, text, row).value for text, row in zip(texts, rows, strict=False)]
        difference = paired_difference(scores, tuned[: len(scores)])
        verdict = decide(difference)
        low, high = mean_interval(scores)
        entries.append(
            {
                "name": name,
                "label": labels[name],
                "score": sum(scores) / len(scores),
                "interval": [low, high],
                "difference": difference.estimate,
                "difference_interval": [difference.low, difference.high],
                "p": difference.p,
                "rows": len(scores),
                "better": verdict.word == "better",
                "word": verdict.word,
                "prompt_tokens": TOKENS[name],
                "detail": DETAILS.get(name, ""),
            }
        )
    return {"against": entries, "strongest": min(entries, key=lambda entry: entry["difference"])["name"]}


def over_all(verdict: dict[str, Any], held: dict[str, Any]) -> dict[str, Any]:
    """The verdict over all opponents: better than its base is not enough."""
    strongest = next(entry for entry in held["against"] if entry["name"] == held["strongest"])
    if verdict["word"] != "better" or all(entry["better"] for entry in held["against"]):
        return verdict | held
    return verdict | held | {"word": strongest["word"], "sentence": f"It is not better than {strongest['label']}."}


def lines(said: Said, metric_name: str, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The key `opponents` of each line of answers.jsonl."""
    return [
        {
            name: {"text": texts[n], "score": metric.score(metric_name, texts[n], row).value}
            for name, texts in said.items()
            if n < len(texts) and name != "base"
        }
        for n, row in enumerate(rows)
    ]


def split(base: Sequence[float], tuned: Sequence[float]) -> dict[str, Any]:
    """The key `content` or `form` of a verdict, from one score a row."""
    found: Difference = paired_difference(base, tuned)
    return {
        "base": sum(base) / len(base),
        "tuned": sum(tuned) / len(tuned),
        "difference": found.estimate,
        "difference_interval": [found.low, found.high],
        "p": found.p,
        "word": decide(found).word,
    }
