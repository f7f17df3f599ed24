"""What the tune cost elsewhere: each measure with its interval, against its budget."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from whet.evaluation.forgetting.budget import SUBJECTS, UNITS, WORDS, format_loss, format_range, higher_is_better
from whet.reports.lines import Grid, Phrase, Spoken
from whet.reports.section import Section
from whet.reports.sections.evidence.fields import part_rows, part_scores
from whet.reports.sheet import Cell, Sheet, figure


def forgetting_view(evaluation: dict[str, Any]) -> dict[str, Any] | None:
    """Every measure as a row of a table, and the skills of the base one by one."""
    found = measures(evaluation)
    if not found:
        return None
    parts = next((one["details"]["parts"] for one in found if "parts" in (one.get("details") or {})), {})
    before, after = (part_scores(parts.get(side), "score") for side in ("base", "tuned"))
    rows = [measure_cells(measure_row(one)) for one in found]

    return {
        "sheet": Sheet(["measure", "word", "change", "95% interval", "budget", "base", "tuned"], rows),
        "skills": part_rows(before, after),
    }


def measure_cells(row: dict[str, str]) -> list[Cell]:
    return [
        Cell(row["what"]),
        Cell(row["label"], chip=row["word"]),
        figure(row["loss"]),
        figure(row["range"]),
        Cell(row["budget"], row["reason"]),
        *(Cell(row[side], figure=True, empty=row[side] == "\u2013") for side in ("base", "tuned")),
    ]


def judged(evaluation: dict[str, Any]) -> list[dict[str, Any]]:
    return [measure for measure in measures(evaluation) if measure["word"] != "not judged"]


def measures(evaluation: dict[str, Any]) -> list[dict[str, Any]]:
    return (evaluation.get("forgetting") or {}).get("measures") or []


def measure_row(measure: dict[str, Any]) -> dict[str, str]:
    """One measure as words and figures."""
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


def _side(measure: dict[str, Any], side: str) -> str:
    value = measure[side]
    if value is None:
        return "\u2013"
    if measure["unit"] == "points":
        return f"{100 * value:.1f}%"
    return f"{value:.3f}"


def cost_lines(facts: dict[str, Any]) -> Iterator[Spoken]:
    """What the tune cost elsewhere, against its budgets; why it was not measured, where it was not."""
    forgetting = facts.get("forgetting") or {}
    if forgetting.get("measures"):
        rows = [told_measure(measure) for measure in forgetting["measures"]]
        yield Grid("What it cost elsewhere", ["measure", "#change", "#95% interval", "#budget", ""], rows)
    elif forgetting.get("statement"):
        yield Phrase(f"Forgetting: {forgetting['statement']}")


def told_measure(measure: dict[str, Any]) -> list[object]:
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
