"""Base against tuned for each field of JSON answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from whet.evaluation.facts import Evaluation
from whet.reports.section import Section
from whet.text.numbers import signed
from whet.text.wording import percent

MOST_PARTS = 24


class PartRow(TypedDict):
    """Base and tuned in percent; the change is in words."""

    name: str
    base: float
    tuned: float
    change: str


class PartsView(TypedDict):
    rows: list[PartRow]
    more: int
    """Parts that the page leaves out."""
    wholes: list[tuple[str, str, str]]
    """(label, base, tuned) of the figures over all fields."""


def parts_view(evaluation: Evaluation) -> PartsView | None:
    """Base against tuned for each field of JSON answers, the largest changes first."""
    base, tuned = evaluation.get("base") or {}, evaluation.get("tuned") or {}
    before, after = part_scores(base.get("fields")), part_scores(tuned.get("fields"))
    if not (rows := part_rows(before, after)):
        return None
    wholes = []
    for whole, label in (("validity", "Valid JSON"), ("field_f1", "F1 over fields")):
        if whole in base and whole in tuned:
            wholes.append((label, percent(base[whole]), percent(tuned[whole])))

    return {"rows": rows[:MOST_PARTS], "more": len(rows[MOST_PARTS:]), "wholes": wholes}


def part_rows(before: dict[str, float], after: dict[str, float]) -> list[PartRow]:
    """Each part that both sides have, the largest change first."""
    names = sorted(before.keys() & after.keys(), key=lambda name: (-abs(after[name] - before[name]), name))
    return [
        {
            "name": name,
            "base": 100 * before[name],
            "tuned": 100 * after[name],
            "change": signed(100 * (after[name] - before[name])),
        }
        for name in names
    ]


def part_scores(table: Mapping[str, Any] | None, key: str = "f1") -> dict[str, float]:
    """The score of each part: its value, or the one under `key`."""
    return {name: value[key] if isinstance(value, dict) else value for name, value in (table or {}).items()}


SECTION = Section(key="parts", title="Field by field", after="classes", view=parts_view)
