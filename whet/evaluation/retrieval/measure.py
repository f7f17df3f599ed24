"""What an evaluation with passages in the prompts says besides the score: the retriever by itself, and grounding."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from whet.data.retrieval.raft import RowWithPassages
from whet.evaluation.retrieval.grounding import REFUSALS, grounding, judge_support, share_with_interval
from whet.recipe.sections.retrieval import Retrieval
from whet.stats.paired import clusters_of

WHERE = {"absent": "lack", "present": "hold"}


def measure_retrieved(
    shown: Sequence[RowWithPassages], answers: dict[str, list[str]], settings: Retrieval, cache: Path | None
) -> dict[str, Any]:
    """The key `retrieval` of an evaluation. `answers` by side, in the order of the rows; none where probabilities were
    compared. `found` is the share of rows whose passage is among those in the prompt, of the rows that have one."""
    texts = [[passage.text for passage in row.passages] for row in shown]
    questions = [row.question for row in shown]

    if settings.refusal:
        refusals = (settings.refusal, *REFUSALS)
    else:
        refusals = REFUSALS

    holds = [row.oracle for row in shown]
    clusters = clusters_of([row.row for row in shown])
    found = [float(bool(row.oracle)) if row.answerable else None for row in shown]

    facts: dict[str, Any] = {
        "passages": settings.passages,
        "rows": len(shown),
        "found": share_with_interval(found, clusters),
    }
    for side, given in answers.items():
        facts[side] = grounding(given, texts, questions, holds, refusals, clusters)
        if settings.judge is not None:
            prompts = [row.row.prompt for row in shown]
            rows = [row.row for row in shown]
            facts[side]["judged"] = judge_support(settings.judge, prompts, given, rows, cache, clusters)

    return facts | {"statement": _statement(facts)}


def _statement(facts: dict[str, Any]) -> str:
    parts = []
    if facts["found"]:
        parts.append(f"The retriever found the row's passage for {_range(facts['found'])} of the rows that have one.")

    for side in ("base", "tuned"):
        found = facts[side]
        if found["supported"]:
            parts.append(f"Of the {side} model's answers {_range(found['supported'])} are supported by their passages.")

    rates = [(facts["tuned"][f"refusal_where_{where}"], words) for where, words in WHERE.items()]
    known = [f"{_range(rate)} of the rows whose passages {words} the answer" for rate, words in rates if rate]
    return " ".join([*parts, *([f"The tuned model refuses {' and '.join(known)}."] if known else [])])


def _range(rate: dict[str, Any]) -> str:
    return f"{100 * rate['mean']:.1f}% ({100 * rate['low']:.1f} to {100 * rate['high']:.1f})"
