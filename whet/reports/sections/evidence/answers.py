"""Answers of base and tuned model side by side, errors first."""

from __future__ import annotations

from typing import TypedDict

from whet.evaluation.facts import AnswerLine, Evaluation
from whet.reports import answer_cards as samples
from whet.reports.answer_cards import Pile
from whet.reports.section import Section, blaming
from whet.text.wording import capitalise


class AnswersView(TypedDict):
    piles: list[Pile]
    answers: int
    """Test rows with answers."""
    shown: int


def answers_view(answers: list[AnswerLine], evaluation: Evaluation) -> AnswersView | None:
    """The answers that the page shows, by kind; None if nothing was written in words."""
    with blaming("evaluation.json"):
        labels = opponent_labels(evaluation)
        if compares_likelihoods(evaluation):
            answers = [answer for answer in answers if has_texts(answer)]

    piles = samples.choose(answers, labels)
    if not piles:
        return None
    return {"piles": piles, "answers": len(answers), "shown": sum(len(pile.cards) for pile in piles)}


def opponent_labels(evaluation: Evaluation) -> dict[str, str]:
    """What the opponents are called, by their names."""
    against = (evaluation.get("verdict") or {}).get("against") or []
    return {entry["name"]: capitalise(entry["label"]) for entry in against}


def has_texts(answer: AnswerLine) -> bool:
    """False if probabilities were compared and nothing was written for this row."""
    return bool(answer.get("base") or answer.get("tuned"))


def compares_likelihoods(evaluation: Evaluation) -> bool:
    """True if the scores need no answers in words."""
    return (evaluation.get("metric") or {}).get("name") in ("nll", "preference-accuracy", "mark-accuracy")


SECTION = Section(
    key="answers",
    title="Answers",
    after="cost",
    reads=("answers.jsonl", "evaluation.json"),
    view=answers_view,
)
