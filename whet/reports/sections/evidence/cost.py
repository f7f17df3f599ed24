"""What the tune cost elsewhere: each measure with its interval, against its budget."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypedDict

from whet.evaluation.facts import SIDES, Evaluation, MeasureFacts, SideName
from whet.evaluation.forgetting.budget import SUBJECTS, UNITS, WORDS, format_loss, format_range, higher_is_better
from whet.reports.lines import Grid, Phrase, Spoken
from whet.reports.section import Section
from whet.reports.sections.evidence.fields import PartRow, part_rows, part_scores
from whet.reports.sheet import Cell, Sheet, figure


class MeasureRow(TypedDict):
    """A measure as words and figures."""

    what: str
    word: str
    """A tone of report.css."""
    label: str
    loss: str
    range: str
    budget: str
    reason: str
    base: str
    tuned: str


class ForgettingView(TypedDict):
    sheet: Sheet
    skills: list[PartRow]


def forgetting_view(evaluation: Evaluation) -> ForgettingView | None:
    """Every measure as a row of a table, and the skills of the base one by one."""
    all_measures = measures(evaluation)
    if not all_measures:
        return None

    details = [measure.get("details") or {} for measure in all_measures]
    parts = next((each["parts"] for each in details if "parts" in each), {})
    before, after = (part_scores(parts.get(side), "score") for side in SIDES)
    rows = [measure_cells(measure_row(measure)) for measure in all_measures]

    return {
        "sheet": Sheet(["measure", "word", "change", "95% interval", "budget", "base", "tuned"], rows),
        "skills": part_rows(before, after),
    }


def measure_cells(row: MeasureRow) -> list[Cell]:
    return [
        Cell(row["what"]),
        Cell(row["label"], chip=row["word"]),
        figure(row["loss"]),
        figure(row["range"]),
        Cell(row["budget"], row["reason"]),
        *(Cell(row[side], figure=True, empty=row[side] == "\u2013") for side in SIDES),
    ]


def judged(evaluation: Evaluation) -> list[MeasureFacts]:
    """The measures that have a budget."""
    return [measure for measure in measures(evaluation) if measure["word"] != "not judged"]


def measures(evaluation: Evaluation) -> list[MeasureFacts]:
    return (evaluation.get("forgetting") or {}).get("measures") or []


def measure_row(measure: MeasureFacts) -> MeasureRow:
    unit, budget = measure["unit"], measure["budget"]
    fell = higher_is_better(unit, measure.get("details") or {})
    return {
        "what": measure["what"],
        "word": measure["word"].replace(" ", "-"),
        "label": WORDS[measure["word"]],
        "loss": f"{SUBJECTS[unit]} {format_loss(measure['loss'], unit, fell)}{UNITS[unit]}",
        "range": format_range(measure["low"], measure["high"], unit, fell),
        "budget": "none" if budget is None else f"{format_loss(budget, unit, fell)}{UNITS[unit]}",
        "reason": measure["reason"],
        "base": _side(measure, "base"),
        "tuned": _side(measure, "tuned"),
    }


def _side(measure: MeasureFacts, side: SideName) -> str:
    value = measure[side]
    if value is None:
        return "\u2013"
    if measure["unit"] == "points":
        return f"{100 * value:.1f}%"
    return f"{value:.3f}"


def cost_lines(evaluation: Evaluation) -> Iterator[Spoken]:
    """What the tune cost elsewhere, against its budgets; if it was not measured, why."""
    forgetting = evaluation.get("forgetting") or {}
    if forgetting.get("measures"):
        rows = [terminal_row(measure) for measure in forgetting["measures"]]
        yield Grid("What it cost elsewhere", ["measure", "#change", "#95% interval", "#budget", ""], rows)
    elif forgetting.get("statement"):
        yield Phrase(f"Forgetting: {forgetting['statement']}")


def terminal_row(measure: MeasureFacts) -> list[object]:
    row = measure_row(measure)
    return [row["what"], row["loss"], row["range"], row["budget"], Phrase(row["label"], measure["word"])]


SECTION = Section(
    key="cost",
    title="What it cost elsewhere",
    after="parts",
    view=forgetting_view,
    line=cost_lines,
    line_after="wins",
)
