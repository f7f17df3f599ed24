"""Answers of base and tuned model side by side, errors first."""

from __future__ import annotations

from typing import Any

from whet.reports import answer_cards as samples
from whet.reports.section import Section, blaming
from whet.text.wording import capitalise


def answers_view(answers: list[dict[str, Any]], evaluation: dict[str, Any]) -> dict[str, Any] | None:
    """Answers by kind, those that the page shows; None where nothing was written in words."""
    with blaming("evaluation.json"):
        labels = opponent_labels(evaluation)
        if compares_likelihoods(evaluation):
            answers = [one for one in answers if has_texts(one)]

    piles = samples.choose(answers, labels)
    if not piles:
        return None
    return {"piles": piles, "answers": len(answers), "shown": sum(len(pile.cards) for pile in piles)}


def opponent_labels(evaluation: dict[str, Any]) -> dict[str, str]:
    """What the opponents are called, by their names."""
    against = (evaluation.get("verdict") or {}).get("against") or []
    return {entry["name"]: capitalise(entry["label"]) for entry in against}


def has_texts(answer: dict[str, Any]) -> bool:
    """False where probabilities were compared and nothing was written for this row."""
    return bool(answer.get("base") or answer.get("tuned"))


def compares_likelihoods(evaluation: dict[str, Any]) -> bool:
    """True when the scores need no answers in words."""
    return (evaluation.get("metric") or {}).get("name") in ("nll", "preference-accuracy", "mark-accuracy")


SECTION = Section(
    key="answers",
    title="Answers",
    after="cost",
    reads=("answers.jsonl", "evaluation.json"),
    view=answers_view,
)
