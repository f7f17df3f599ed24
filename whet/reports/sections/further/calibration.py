"""Whether the confidence of a model with a head is honest: its reliability table, in words and figures."""

from __future__ import annotations

from typing import TypedDict

from whet.evaluation.facts import Evaluation
from whet.reports.section import Section
from whet.reports.sheet import Cell, Sheet, figure
from whet.text.wording import percent


class CalibrationView(TypedDict):
    statement: str
    sheet: Sheet
    """A row a bin: range, mean confidence, share right, rows."""


def calibration_view(evaluation: Evaluation) -> CalibrationView | None:
    """The reliability table in words and figures; None for a run without one."""
    calibration = evaluation.get("calibration")
    if not calibration:
        return None

    pairs = (evaluation.get("metric") or {}).get("name") == "preference-accuracy"
    several = (evaluation.get("metric") or {}).get("name") == "label-f1"

    if pairs:
        what, unit = "sigmoid of the margin", "pairs"
    elif several:
        what, unit = "probability of each class", "decisions"
    else:
        what, unit = "probability it gave", "rows"

    rows = []
    for row in calibration["bins"]:
        rows.append(
            [
                Cell(f"{percent(row['low'])} to {percent(row['high'])}"),
                figure(percent(row["confidence"])),
                figure(percent(row["right"])),
                figure(f"{row['rows']:,}"),
            ]
        )

    return {
        "statement": f"Expected calibration error {percent(calibration['ece'])}: how far, on average over "
        f"{calibration['rows']:,} held-out {unit}, the {what} lies from the share that was right.",
        "sheet": Sheet([what, "on average", "right", unit], rows),
    }


SECTION = Section(key="calibration", title="Confidence", after="more-data", view=calibration_view)
