"""Whose answers are liked more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from whet.reports.lines import Phrase, Spoken
from whet.reports.section import Section


def wins_view(evaluation: dict[str, Any]) -> dict[str, Any] | None:
    return evaluation.get("wins")


def wins_lines(facts: dict[str, Any]) -> Iterator[Spoken]:
    if facts.get("wins"):
        yield Phrase(facts["wins"]["statement"])


SECTION = Section(key="wins", title="Win rate", after="sampling", view=wins_view, line=wins_lines, line_after="third")
