"""Where every row went."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypedDict

from whet.evaluation.facts import Evaluation
from whet.reports.lines import Grid, Phrase, Spoken
from whet.reports.section import Section

if TYPE_CHECKING:
    from whet.data.ledger import CutFacts, LedgerFacts

FATES = (
    ("trained", "Trained on"),
    ("validation", "Validation"),
    ("test", "Test, read only for the verdict"),
    ("dropped", "Dropped"),
)


class FateView(TypedDict):
    key: str
    label: str
    rows: int
    share: float
    """Percent of all rows."""


class LedgerView(TypedDict):
    rows_in: int
    fates: list[FateView]
    dropped: list[tuple[str, int]]
    """(reason, rows), the commonest first."""
    missing: int
    """Rows that are counted nowhere, or (below 0) twice."""
    cut: CutFacts


def ledger_view(ledger: LedgerFacts, evaluation: Evaluation) -> LedgerView | None:
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
    fates: list[FateView] = [
        {"key": key, "label": label, "rows": counts[key], "share": 100 * counts[key] / max(total, 1)}
        for key, label in FATES
    ]
    missing = rows_in - total

    return {
        "rows_in": rows_in,
        "fates": fates,
        "dropped": sorted(dropped.items(), key=lambda i: (-i[1], i[0])),
        "missing": missing,
        "cut": ledger.get("truncated") or {"rows": 0, "tokens": 0},  # earlier runs did not count them
    }


def ledger_lines(evaluation: Evaluation) -> Iterator[Spoken]:
    if ledger := evaluation.get("ledger"):
        yield ledger_grid(ledger)
        yield Phrase("")


def ledger_grid(ledger: LedgerFacts) -> Grid:
    """Where every input row went. The lines add up to the rows read."""
    held_out = ledger.get("held_out") or {}
    rows: list[tuple[str, object]] = [("trained", ledger.get("trained"))]
    rows += [(f"held out for {part}", number) for part, number in held_out.items()]
    rows += [(f"dropped: {reason}", number) for reason, number in sorted((ledger.get("dropped") or {}).items())]
    rows.append(("read", ledger.get("rows_in")))

    cut = ledger.get("truncated")
    if cut and cut.get("rows"):
        rows += [("of these cut short", cut["rows"]), ("tokens cut away", cut["tokens"])]
    if ledger.get("supervised_tokens") is not None:
        rows.append(("tokens to learn", ledger["supervised_tokens"]))
    return Grid("Where every row went", ["rows", "#"], rows)


SECTION = Section(
    key="ledger",
    title="Rows",
    after="training",
    reads=("ledger.json", "evaluation.json"),
    view=ledger_view,
    line=ledger_lines,
)
