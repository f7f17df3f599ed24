"""Where every row went."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from whet.reports.lines import Grid, Phrase, Spoken
from whet.reports.section import Section

FATES = (
    ("trained", "Trained on"),
    ("validation", "Validation"),
    ("test", "Test, read only for the verdict"),
    ("dropped", "Dropped"),
)


def ledger_view(ledger: dict[str, Any], evaluation: dict[str, Any]) -> dict[str, Any] | None:
    """Where every input row went, and whether the counts add up."""
    ledger = ledger or evaluation.get("ledger", {})
    if not ledger:
        return None

    held_out, dropped = ledger.get("held_out") or {}, ledger.get("dropped") or {}
    counts = {
        "trained": ledger.get("trained", 0),
        "validation": held_out.get("validation", 0),
        "test": held_out.get("test", 0),
        "dropped": sum(dropped.values()),
    }
    rows_in, total = ledger["rows_in"], sum(counts.values())
    fates = [
        {"key": key, "label": label, "rows": counts[key], "share": 100 * counts[key] / max(total, 1)}
        for key, label in FATES
    ]
    missing = rows_in - total

    return {
        "rows_in": rows_in,
        "fates": fates,
        "dropped": sorted(dropped.items(), key=lambda i: (-i[1], i[0])),
        "missing": missing,
        "cut": ledger.get("truncated") or {"rows": 0},  # of a run before rows that were cut were counted
    }


def ledger_lines(facts: dict[str, Any]) -> Iterator[Spoken]:
    if facts.get("ledger"):
        yield ledger_grid(facts["ledger"])
        yield Phrase("")


def ledger_grid(facts: dict[str, Any]) -> Grid:
    """Where every input row went. The lines add up to the rows read."""
    held_out = facts.get("held_out") or {}
    rows: list[tuple[str, object]] = [("trained", facts.get("trained"))]
    rows += [(f"held out for {part}", number) for part, number in held_out.items()]
    rows += [(f"dropped: {reason}", number) for reason, number in sorted((facts.get("dropped") or {}).items())]
    rows.append(("read", facts.get("rows_in")))

    cut = facts.get("truncated") or {}
    if cut.get("rows"):
        rows += [("of these cut short", cut["rows"]), ("tokens cut away", cut["tokens"])]
    if facts.get("supervised_tokens") is not None:
        rows.append(("tokens to learn", facts["supervised_tokens"]))
    return Grid("Where every row went", ["rows", "#"], rows)


SECTION = Section(
    key="ledger",
    title="Rows",
    after="training",
    reads=("ledger.json", "evaluation.json"),
    view=ledger_view,
    line=ledger_lines,
)
