"""Where a run was trained whose model is at a service, and what could not be measured there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypedDict

from whet.evaluation.facts import ElsewhereFacts, Evaluation
from whet.reports.lines import Phrase, Spoken
from whet.reports.section import Section
from whet.reports.sheet import Sheet, pairs
from whet.text.wording import flatten

TOLD = ("url", "job", "tuned_model", "trained_tokens", "hyperparameters", "files", "price")


class ElsewhereView(TypedDict):
    place: str
    missing: str
    """What was not measured."""
    facts: Sheet | None


def elsewhere_view(evaluation: Evaluation) -> ElsewhereView | None:
    facts = evaluation.get("elsewhere")
    if not facts:
        return None
    rows = [pair for key in TOLD if facts.get(key) is not None for pair in flatten({key: facts.get(key)})]
    return {"place": place(facts), "missing": facts["not_measured"], "facts": pairs(rows, ("what", "value"))}


def place(facts: ElsewhereFacts) -> str:
    return f"Trained at {facts['url']}, where it answers as {facts['tuned_model']}; no weights of it are here."


def elsewhere_lines(evaluation: Evaluation) -> Iterator[Spoken]:
    if facts := evaluation.get("elsewhere"):
        yield Phrase(f"{place(facts)} {facts['not_measured']}")


SECTION = Section(
    key="elsewhere",
    title="Where it was trained",
    after="training",
    view=elsewhere_view,
    line=elsewhere_lines,
    line_after="cost",
)
