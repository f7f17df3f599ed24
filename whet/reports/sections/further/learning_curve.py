"""What the report says of more training rows: the learning curve's sentence, or how to get one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whet.evaluation.facts import Evaluation
from whet.reports.section import Section

if TYPE_CHECKING:
    from whet.evaluation.studies.learning_curve import CurveFacts

NO_CURVE = ("pretrain", "distil", "grpo", "rloo", "ppo")
"""Methods without examples to draw a curve over."""


def curve_view(curve: CurveFacts, evaluation: Evaluation) -> str | None:
    """One sentence; None for a run without a verdict, or of a method that has no learning curve."""
    if curve:
        return str(curve["sentence"])
    method = str(evaluation.get("method") or "").partition(" ")[0]
    if not evaluation.get("verdict") or method in NO_CURVE:
        return None
    return "Not measured. To find out, give the data or recipe of this run to: whet curve"


SECTION = Section(
    key="more-data",
    title="More data",
    after="answers",
    reads=("curve.json", "evaluation.json"),
    view=curve_view,
)
