"""The classes one by one: how many of each are found before and after, and what is taken for what."""

from __future__ import annotations

from typing import Any

from whet.evaluate import chart
from whet.evaluate.sheet import Cell, Sheet, figure
from whet.evaluate.units import signed
from whet.evaluate.wording import percent

FIRST, MOST = 12, 200
"""Classes that are seen at once, and those that a click shows at most."""
MATRIX = 12
"""Classes up to which all counts are drawn; of more only the commonest mistakes are told."""
MISTAKES = 15
WHOLES = (("accuracy", "Accuracy"), ("macro_f1", "Macro-F1"), ("balanced_accuracy", "Balanced accuracy"))


def classes_view(evaluation: dict[str, Any]) -> dict[str, Any] | None:
    """Summary figures, a row a class (the weakest first) and the confusion; None for an evaluation without labels."""
    base, tuned = evaluation.get("base") or {}, evaluation.get("tuned") or {}
    before, after = base.get("labels") or {}, tuned.get("labels") or {}
    if not after:
        return None
    sides = {"base": base, "tuned": tuned}
    if (evaluation.get("metric") or {}).get("name") == "accuracy":
        sides = {name: {"accuracy": side.get("score")} | side for name, side in sides.items()}
    wholes = [
        (label, percent(sides["base"][key]), percent(sides["tuned"][key]))
        for key, label in WHOLES
        if sides["base"].get(key) is not None and sides["tuned"].get(key) is not None
    ]
    names = sorted(after, key=lambda name: (found(after[name]), after[name]["f1"], name))
    sheet = class_sheet(before, after, names[:MOST])
    return {
        "wholes": wholes,
        "sheet": Sheet(sheet.columns, sheet.rows[:FIRST], style="classes"),
        "rest": Sheet(sheet.columns, sheet.rows[FIRST:], style="classes") if sheet.rows[FIRST:] else None,
        "more": len(names[MOST:]),
        "confusion": confusion_view(tuned.get("confusion") or {}),
    }


def found(row: dict[str, Any]) -> float:
    """The share of the rows of a class that were given it; F1 in evaluations that do not tell it."""
    return row.get("recall", row["f1"])


def class_sheet(before: dict[str, Any], after: dict[str, Any], names: list[str]) -> Sheet:
    """Recall with its interval and precision where the evaluation has them; F1 and counts always."""
    told = [key for key in ("recall", "precision") if names and key in after[names[0]]]
    columns = ["class", "test rows", "named by base", "named by tuned"]
    columns += [head for key in told for head in ((f"{key}, base", f"{key}, tuned"))]
    columns += ["95% interval"] if "recall" in told and has_interval(after[names[0]]) else []
    columns += ["F1, base", "F1, tuned", "change"]
    rows = [class_row(name, before.get(name) or {}, after[name], told) for name in names]
    return Sheet(columns, rows)


def has_interval(row: dict[str, Any]) -> bool:
    return row.get("low") is not None and row.get("high") is not None


def class_row(name: str, before: dict[str, Any], after: dict[str, Any], told: list[str]) -> list[Cell]:
    lost = "recall" in told and after["recall"] == 0 and after["rows"]
    cells = [Cell(name, "none found" if lost else ""), figure(f"{after['rows']:,}")]
    cells += [figure(f"{side['given']:,}" if "given" in side else "\u2013") for side in (before, after)]
    cells += [share(side.get(key)) for key in told for side in (before, after)]
    if "recall" in told and has_interval(after):
        low, high = after["low"], after["high"]
        span = chart.span(low, after["recall"], high, 0.0, 1.0)
        cells.append(Cell(f"{percent(low)} to {percent(high)}", span=span, tone="tuned-side"))
    change = signed(100 * (after["f1"] - before["f1"])) if "f1" in before else "\u2013"
    return [*cells, share(before.get("f1")), share(after["f1"]), figure(change)]


def share(value: float | None) -> Cell:
    return figure("\u2013" if value is None else percent(value))


def confusion_view(counts: dict[str, dict[str, int]]) -> dict[str, Any] | None:
    """`counts[class][answer]`: the whole matrix where it can be looked at, else the commonest mistakes."""
    if not counts:
        return None
    columns = list(counts) + sorted({answer for row in counts.values() for answer in row} - counts.keys())
    if len(counts) <= MATRIX and len(columns) <= MATRIX + 1:
        rows = [matrix_row(name, counts[name], columns) for name in counts]
        return {"statement": "A row a class, a column an answer of the tuned model; the numbers are test rows.",
                "sheet": Sheet(["class", *columns], rows, style="confusion")}  # fmt: skip
    wrong = [(number, name, answer) for name, row in counts.items() for answer, number in row.items() if answer != name]
    wrong.sort(key=lambda mistake: (-mistake[0], mistake[1], mistake[2]))
    if not wrong:
        return None
    rows = [[Cell(name), Cell(answer), figure(f"{number:,}")] for number, name, answer in wrong[:MISTAKES]]
    rest = sum(number for number, _, _ in wrong[MISTAKES:])
    more = f" {rest:,} more test rows went wrong in other ways; all counts are in evaluation.json." if rest else ""
    return {"statement": f"The commonest mistakes of the tuned model.{more}",
            "sheet": Sheet(["class", "answered", "test rows"], rows)}  # fmt: skip


def matrix_row(name: str, row: dict[str, int], columns: list[str]) -> list[Cell]:
    total = max(1, sum(row.values()))
    cells = [
        Cell(f"{row.get(answer, 0):,}", figure=True, shade=row.get(answer, 0) / total, empty=not row.get(answer))
        for answer in columns
    ]
    for answer, cell in zip(columns, cells, strict=True):
        cell.bold, cell.tone = answer == name, "right" if answer == name else "wrong"
    return [Cell(name), *cells]
