"""How much of the scores is the luck of the draw, where answers were sampled."""

from __future__ import annotations

from typing import Any

from whet.reports.section import Section


def sampling_view(evaluation: dict[str, Any]) -> dict[str, Any] | None:
    return evaluation.get("sampling")


SECTION = Section(key="sampling", title="Luck of the draw", after="thresholds", view=sampling_view)
