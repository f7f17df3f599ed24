"""From which probability a class is named, and on which rows that was chosen."""

from __future__ import annotations

from typing import Literal, TypedDict

from whet.errors import count
from whet.evaluation.facts import Evaluation
from whet.reports.section import Section
from whet.reports.sheet import Cell, Sheet, figure
from whet.text.wording import percent

Figure = Literal["validation_f1_at_half", "validation_f1", "test_f1_at_half", "test_f1"]
COLUMNS: tuple[tuple[Figure, str], ...] = (
    ("validation_f1_at_half", "validation F1 at 0.5"),
    ("validation_f1", "validation F1"),
    ("test_f1_at_half", "test F1 at 0.5"),
    ("test_f1", "test F1"),
)


class ThresholdsView(TypedDict):
    statement: str
    """On which rows they were chosen."""
    sheet: Sheet
    """A row a class."""


def thresholds_view(evaluation: Evaluation) -> ThresholdsView | None:
    """The threshold of each class with F1 on both parts; None for a run without thresholds."""
    thresholds = evaluation.get("thresholds")
    if not thresholds:
        return None

    chosen = thresholds["chosen_on"]
    columns = [(key, label) for key, label in COLUMNS if key in thresholds["classes"][0]]

    if chosen is None:
        statement = "All thresholds are 0.5; none was chosen."
    else:
        statement = (
            f"Chosen for the best F1 on {count(chosen['rows'], 'validation row')}, before a test row was read, and "
            f"stored with the model. Rows that are in both parts: {thresholds['rows_shared_with_test']} (row numbers "
            f"of the validation part: sha256 {chosen['sha256'][:12]}). "
            "A class with fewer than five such rows keeps 0.5."
        )

    rows = []
    for row in thresholds["classes"]:
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
