"""The classes one by one: how many of each are found before and after, and what is taken for what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from whet.errors import count
from whet.evaluation.class_facts import ClassFacts, ConfusionFacts
from whet.evaluation.facts import Evaluation
from whet.reports import chart
from whet.reports.section import Section
from whet.reports.sheet import Cell, Sheet, figure
from whet.text.numbers import format_range, signed
from whet.text.wording import is_finite, percent

FIRST, MOST = 12, 200
"""Classes that are seen at once, and those that a click shows at most."""
MATRIX = 11
"""Classes, with all others as one, up to which all counts are drawn; of more the commonest mistakes are told."""
MISTAKES = 15
WHOLES = (("accuracy", "Accuracy"), ("macro_f1", "Macro-F1"), ("balanced_accuracy", "Balanced accuracy"))


class ConfusionView(TypedDict):
    statement: str
    sheet: Sheet


class ClassesView(TypedDict):
    wholes: list[tuple[str, str, str]]
    """(label, base, tuned) of the figures over all classes."""
    sheet: Sheet
    """A row a class, the weakest first."""
    rest: Sheet | None
    """What a click shows."""
    more: int
    """Classes that the page leaves out."""
    confusion: ConfusionView | None
    lost: list[str]


def classes_view(evaluation: Evaluation) -> ClassesView | None:
    """Summary figures, a row a class and the confusion; None for an evaluation without labels."""
    base, tuned = evaluation.get("base") or {}, evaluation.get("tuned") or {}
    before, after = base.get("labels") or {}, tuned.get("labels") or {}
    if not after:
        return None

    sides: dict[str, Mapping[str, Any]] = {"base": base, "tuned": tuned}
    if (evaluation.get("metric") or {}).get("name") == "accuracy":
        sides = {name: {"accuracy": side.get("score"), **side} for name, side in sides.items()}

    wholes = []
    for key, label in WHOLES:
        before_all: Any = sides["base"].get(key)
        after_all: Any = sides["tuned"].get(key)
        if is_finite(before_all) and is_finite(after_all):
            wholes.append((label, percent(before_all), percent(after_all)))

    names = sorted(after, key=lambda name: (after[name].get("recall", after[name]["f1"]), after[name]["f1"], name))
    sheet = class_sheet(before, after, names[:MOST])

    return {
        "wholes": wholes,
        "sheet": Sheet(sheet.columns, sheet.rows[:FIRST], style="classes"),
        "rest": Sheet(sheet.columns, sheet.rows[FIRST:], style="classes") if sheet.rows[FIRST:] else None,
        "more": len(names[MOST:]),
        "confusion": confusion_view(tuned.get("confusion")),
        "lost": lost_lines(evaluation),
    }


def lost_lines(evaluation: Evaluation) -> list[str]:
    """The classes that the tuned model misses, or finds less often than the base, in words."""
    lines = []
    for lost in evaluation.get("lost_classes") or []:
        low, high = lost["recall_interval"]
        if lost["worse"]:
            by_base = f", by the base {lost['base_found']:,}"
        else:
            by_base = ""

        recall = f"{lost['found']:,} of {count(lost['rows'], 'test row')} found"
        lines.append(f"{lost['label']}: {recall} ({format_range(low, high, None)}){by_base}")

    return lines


def class_sheet(before: Mapping[str, ClassFacts], after: Mapping[str, ClassFacts], names: list[str]) -> Sheet:
    """Recall with its interval and precision; how often a class was named, for an evaluation that does not have
    them."""
    if "recall" in after[names[0]]:
        head = ["class", "test rows", "found by base", "found by tuned", "recall, 95% interval", "precision"]
        rows = [recall_row(name, before.get(name), after[name]) for name in names]
        return Sheet([*head, "F1, base", "F1, tuned"], rows)
    head = ["class", "test rows", "named by base", "named by tuned", "F1, base", "F1, tuned", "change"]
    return Sheet(head, [named_row(name, before.get(name) or {}, after[name]) for name in names])


def recall_row(name: str, before: ClassFacts | None, after: ClassFacts) -> list[Cell]:
    low, high = after["recall_interval"]
    span = chart.span(low, after["recall"], high, 0.0, 1.0)
    return [
        Cell(name, bold=True),
        figure(f"{after['rows']:,}"),
        figure("\u2013" if before is None else f"{before['found']:,}"),
        figure(f"{after['found']:,}"),
        Cell(percent(after["recall"]), format_range(low, high, None), span=span, tone="tuned-side"),
        share(after["precision"]),
        share(None if before is None else before["f1"]),
        share(after["f1"]),
    ]


def named_row(name: str, before: Mapping[str, Any], after: ClassFacts) -> list[Cell]:
    """A class of a run that did not write down recall. `before` is empty if the base was not measured on it."""
    if "f1" in before:
        change = signed(100 * (after["f1"] - before["f1"]))
    else:
        change = "\u2013"
    named = [figure(f"{side['given']:,}" if "given" in side else "\u2013") for side in (before, after)]
    counts = [Cell(name, bold=True), figure(f"{after['rows']:,}"), *named]
    return [*counts, share(before.get("f1")), share(after["f1"]), figure(change)]


def share(value: float | None) -> Cell:
    return figure("\u2013" if value is None else percent(value))


def confusion_view(confusion: ConfusionFacts | None) -> ConfusionView | None:
    """The whole matrix if it can be looked at, else the commonest mistakes."""
    if not confusion:
        return None

    names, rows = confusion["classes"], confusion["rows"]
    if len(names) <= MATRIX:
        return matrix_view(names, rows)
    return mistakes_view(names, rows)


def matrix_view(names: list[str], rows: list[list[int]]) -> ConfusionView:
    """All counts, without classes that neither occur nor were named."""
    kept = [n for n, row in enumerate(rows) if sum(row)]  # no row is of another class where all fit
    named = [any(counts) for counts in zip(*rows, strict=True)]
    columns = [n for n in range(len(names)) if n in kept or named[n]]
    heads = ["class", *(names[n] for n in columns)]
    lines = [matrix_row(n, names, rows[n], columns) for n in kept]
    return {
        "statement": "A row a class, a column an answer of the tuned model; the numbers are test rows.",
        "sheet": Sheet(heads, lines, style="confusion"),
    }


def mistakes_view(names: list[str], rows: list[list[int]]) -> ConfusionView | None:
    """The commonest mistakes; None if there is none."""
    wrong = []
    for i, row in enumerate(rows):
        for j, number in enumerate(row):
            if number and i != j:
                wrong.append((number, names[i], names[j]))
    if not wrong:
        return None

    wrong.sort(key=lambda mistake: (-mistake[0], mistake[1], mistake[2]))
    statement = "The commonest mistakes of the tuned model."
    rest = sum(number for number, _, _ in wrong[MISTAKES:])
    if rest:
        statement += f" {count(rest, 'more test row')} went wrong in other ways; all counts are in evaluation.json."

    lines = []
    for number, name, answer in wrong[:MISTAKES]:
        lines.append([Cell(name, bold=True), Cell(answer), figure(f"{number:,}")])
    return {"statement": statement, "sheet": Sheet(["class", "answered", "test rows"], lines)}


def matrix_row(i: int, names: list[str], row: list[int], columns: list[int]) -> list[Cell]:
    """The shade of a cell is its share of the class."""
    total = sum(row)
    cells = [Cell(names[i], bold=True)]
    for j in columns:
        tone = "wrong"
        if i == j:
            tone = "right"
        cell = Cell(f"{row[j]:,}", figure=True, shade=row[j] / total, empty=not row[j], bold=i == j, tone=tone)
        cells.append(cell)

    return cells


SECTION = Section(key="classes", title="Class by class", after="pairs", view=classes_view)
