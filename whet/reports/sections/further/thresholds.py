"""From which probability a class is named, and on which rows that was chosen."""

from __future__ import annotations

from typing import Any

from whet.errors import count
from whet.reports.section import Section
from whet.reports.sheet import Cell, Sheet, figure
from whet.text.wording import percent

COLUMNS = (
    ("validation_f1_at_half", "validation F1 at 0.5"),
    ("validation_f1", "validation F1"),
    ("test_f1_at_half", "test F1 at 0.5"),
    ("test_f1", "test F1"),
)


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

    rows = []
    for row in found["classes"]:
        rows.append(
            [
                Cell(row["class"]),
                figure(f"{row['threshold']:.3f}"),
                *(figure(percent(row[key])) for key, _ in columns),
            ]
        )

    return {
        "statement": statement,
        "sheet": Sheet(["class", "threshold", *(label for _, label in columns)], rows),
    }


SECTION = Section(key="thresholds", title="Thresholds", after="calibration", view=thresholds_view)
