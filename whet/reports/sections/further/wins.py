"""Whose answers are liked more."""

from __future__ import annotations

from collections.abc import Iterator

from whet.evaluation.facts import Evaluation
from whet.evaluation.preference_facts import WinFacts
from whet.reports.lines import Phrase, Spoken
from whet.reports.section import Section


def wins_view(evaluation: Evaluation) -> WinFacts | None:
    return evaluation.get("wins")


def wins_lines(evaluation: Evaluation) -> Iterator[Spoken]:
    if wins := evaluation.get("wins"):
        yield Phrase(wins["statement"])


SECTION = Section(key="wins", title="Win rate", after="sampling", view=wins_view, line=wins_lines, line_after="third")
