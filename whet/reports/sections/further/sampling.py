"""How much of the scores is the luck of the draw, where answers were sampled."""

from __future__ import annotations

from whet.evaluation.facts import Evaluation, SamplingFacts
from whet.reports.section import Section


def sampling_view(evaluation: Evaluation) -> SamplingFacts | None:
    return evaluation.get("sampling")


SECTION = Section(key="sampling", title="Luck of the draw", after="thresholds", view=sampling_view)
