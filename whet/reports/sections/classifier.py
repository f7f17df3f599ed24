"""What the report says of a model with a head: its reliability table and its thresholds, in words and figures."""

from __future__ import annotations

from typing import Any

from whet.errors import count
from whet.reports.sheet import Cell, Sheet, figure
from whet.text.wording import percent

COLUMNS = (
    ("validation_f1_at_half", "validation F1 at 0.5"),
    ("validation_f1", "validation F1"),
    ("test_f1_at_half", "test F1 at 0.5"),
    ("test_f1", "test F1"),
)


def calibration_view(evaluation: dict[str, Any]) -> dict[str, Any] | None:
    """A statement and a row a bin: range, mean confidence, share right, rows; None for a run without."""
    found = evaluation.get("calibration")
    if not found:
        return None
    pairs = (evaluation.get("metric") or {}).get("name") == "preference-accuracy"
    several = (evaluation.get("metric") or {}).get("name") == "label-f1"
    what = "sigmoid of the margin" if pairs else "probability of each class" if several else "probability it gave"
    unit = "pairs" if pairs else "decisions" if several else "rows"
    rows = [
        [
            Cell(f"{percent(row['low'])} to {percent(row['high'])}"),
            figure(percent(row["confidence"])),
            figure(percent(row["right"])),
            figure(f"{row['rows']:,}"),
        ]
        for row in found["bins"]
    ]
    return {
        "statement": f"Expected calibration error {percent(found['ece'])}: how far, on average over {found['rows']:,} "
        f"held-out {unit}, the {what} lies from the share that was right.",
        "sheet": Sheet([what, "on average", "right", unit], rows),
    }


def thresholds_view(evaluation: dict[str, Any]) -> dict[str, Any] | None:
    """A row a class, and on which rows the thresholds were chosen; None for a run without."""
    found = evaluation.get("thresholds")
    if not found:
        return None
    chosen = found["chosen_on"]
    columns = [(key, label) for key, label in COLUMNS if key in found["classes"][0]]
    if chosen is None:
        statement = "All thresholds are 0.5; none was chosen."
    else:
        statement = (
            f"Chosen for the best F1 on {count(chosen['rows'], 'validation row')}, before a test row was read, and "
            f"stored with the model. Rows that are in both parts: {found['rows_shared_with_test']} (row numbers of the "
            f"validation part: sha256 {chosen['sha256'][:12]}). A class with fewer than five such rows keeps 0.5."
        )
    rows = [
        [
            Cell(row["class"]),
            figure(f"{row['threshold']:.3f}"),
            *(figure(percent(row[key])) for key, _ in columns),
        ]
        for row in found["classes"]
    ]
    return {
        "statement": statement,
        "sheet": Sheet(["class", "threshold", *(label for _, label in columns)], rows),
    }
