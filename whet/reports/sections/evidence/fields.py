"""Base against tuned for each field of JSON answers."""

from __future__ import annotations

from typing import Any

from whet.reports.section import Section
from whet.text.numbers import signed
from whet.text.wording import percent

MOST_PARTS = 24


def parts_view(evaluation: dict[str, Any]) -> dict[str, Any] | None:
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


def part_rows(before: dict[str, float], after: dict[str, float]) -> list[dict[str, Any]]:
    """Name, base and tuned in percent, and the change of each part that both sides have."""
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


def part_scores(table: dict[str, Any] | None, key: str = "f1") -> dict[str, float]:
    return {name: value[key] if isinstance(value, dict) else value for name, value in (table or {}).items()}


SECTION = Section(key="parts", title="Field by field", after="classes", view=parts_view)
