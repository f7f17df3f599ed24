"""What an evaluation with passages in the prompts says besides the score: the retriever by itself, and grounding."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from whet.data.retrieval.raft import RowWithPassages
from whet.evaluation.facts import SIDES, RateFacts, RetrievalFacts
from whet.evaluation.retrieval.grounding import grounding, judge_support, refusals_of, share_with_interval
from whet.recipe.sections.retrieval import Retrieval
from whet.stats.paired import clusters_of


def measure_retrieved(
    shown: Sequence[RowWithPassages], answers: dict[str, list[str]], settings: Retrieval, cache: Path | None
) -> RetrievalFacts:
    """The key `retrieval` of an evaluation. `answers` by side, in the order of the rows; none if probabilities were
    compared. `found` is the share of rows whose passage is among those in the prompt, of the rows that have one."""
    refusals = refusals_of(settings.refusal)
    rows = [row.row for row in shown]
    texts = []
    for row in shown:
        texts.append([passage.text for passage in row.passages])
    questions = [row.question for row in shown]
    holds = [row.oracle for row in shown]

    clusters = clusters_of(rows)
    sides = {}
    for side in SIDES:
        sides[side] = grounding(answers[side], texts, questions, holds, refusals, clusters)
        if settings.judge is not None:
            prompts = [row.prompt for row in rows]
            sides[side]["judged"] = judge_support(settings.judge, prompts, answers[side], rows, cache, clusters)

    facts: RetrievalFacts = {
        "passages": settings.passages,
        "rows": len(shown),
        "found": share_with_interval([_found(row) for row in shown], clusters),
        "base": sides["base"],
        "tuned": sides["tuned"],
        "statement": "",
    }
    facts["statement"] = _statement(facts)
    return facts


def _found(row: RowWithPassages) -> float | None:
    """1 if the row's passage is in the prompt, 0 if not; None for a row without a passage of its own."""
    if row.answerable:
        return float(bool(row.oracle))
    return None


def _statement(facts: RetrievalFacts) -> str:
    parts = []
    if facts["found"]:
        parts.append(f"The retriever found the row's passage for {_range(facts['found'])} of the rows that have one.")

    for side in SIDES:
        supported = facts[side]["supported"]
        if supported:
            parts.append(f"Of the {side} model's answers {_range(supported)} are supported by their passages.")

    tuned, refused = facts["tuned"], []
    for rate, words in ((tuned["refusal_where_absent"], "lack"), (tuned["refusal_where_present"], "hold")):
        if rate:
            refused.append(f"{_range(rate)} of the rows whose passages {words} the answer")
    if refused:
        parts.append(f"The tuned model refuses {' and '.join(refused)}.")

    return " ".join(parts)


def _range(rate: RateFacts) -> str:
    return f"{100 * rate['mean']:.1f}% ({100 * rate['low']:.1f} to {100 * rate['high']:.1f})"
