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


SECTION = Section(key="calibration", title="Confidence", after="more-data", view=calibration_view)
