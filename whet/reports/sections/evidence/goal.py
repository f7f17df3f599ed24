"""The recipe's goal, part by part: each figure with the interval that it was measured with."""

from __future__ import annotations

from collections.abc import Iterator

from whet.evaluation.facts import Evaluation, GoalPartFacts
from whet.reports.lines import Phrase, Spoken
from whet.reports.section import Section
from whet.reports.sheet import Cell, Sheet, figure
from whet.text.numbers import format_range, format_score

GOAL_CHIPS = {"reached": "kept", "missed": "lost", "undecided": "unclear"}


def goal_view(evaluation: Evaluation) -> Sheet | None:
    """Each thing that the recipe's goal asks for, and whether the rows show it; None without a goal."""
    goal = (evaluation.get("verdict") or {}).get("goal")
    if not goal:
        return None
    columns = ["goal", "word", "asked", "found", "95% interval", "test rows"]
    return Sheet(columns, [goal_row(part) for part in goal["parts"]])


def goal_row(part: GoalPartFacts) -> list[Cell]:
    scale = None if part["share"] else 1.0
    bound = "at most" if part["most"] else "at least"
    return [
        Cell(part["what"].rstrip(":"), bold=True),
        Cell(part["word"], chip=GOAL_CHIPS[part["word"]]),
        figure(f"{bound} {format_score(part['wanted'], scale)}"),
        figure(format_score(part["value"], scale)),
        figure(format_range(part["low"], part["high"], scale)),
        figure(f"{part['rows']:,}"),
    ]


def goal_lines(evaluation: Evaluation) -> Iterator[Spoken]:
    if goal := (evaluation.get("verdict") or {}).get("goal"):
        yield Phrase(goal["sentence"], goal["word"])


SECTION = Section(
    key="goal",
    title="The goal",
    after="difference",
    view=goal_view,
    line=goal_lines,
    line_after="opponents",
)
