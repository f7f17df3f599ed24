"""Whether the confidence of a model with a head is honest: its reliability table, in words and figures."""

from __future__ import annotations

from typing import Any

from whet.reports.section import Section
from whet.reports.sheet import Cell, Sheet, figure
from whet.text.wording import percent


def calibration_view(evaluation: dict[str, Any]) -> dict[str, Any] | None:
    """A statement and a row a bin: range, mean confidence, share right, rows; None for a run without."""
    found = evaluation.get("calibration")
    if not found:
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
    for row in found["bins"]:
        rows.append(
            [
                Cell(f"{percent(row['low'])} to {percent(row['high'])}"),
                figure(percent(row["confidence"])),
                figure(percent(row["right"])),
                figure(f"{row['rows']:,}"),
            ]
        )

    return {
        "statement": f"Expected calibration error {percent(found['ece'])}: how far, on average over {found['rows']:,} "
        f"held-out {unit}, the {what} lies from the share that was right.",
        "sheet": Sheet([what, "on average", "right", unit], rows),
    }


SECTION = Section(key="calibration", title="Confidence", after="more-data", view=calibration_view)
