"""Does the model still score as on its test rows? By traces whose right answer came later.

The right answer is a label or a correction; the score is the one that the test rows were given, so that the two can be
compared. Without a metric of answers it is the exact match.
"""

from __future__ import annotations

from whet.evaluation.metrics.scoring import score
from whet.monitoring.trace import Trace
from whet.text.normalise import final_answer
from whet.types import Row

BY_REFERENCE = ("accuracy", "exact-match", "json-match", "final-answer", "rouge-l")
"""Metrics that need an answer and its reference alone."""


def scored(trace: Trace, metric: str | None) -> float | None:
    """None for a trace whose right answer is not known. Of several right answers, the mean."""
    if trace.answer is None:
        return None
    name = metric if metric in BY_REFERENCE else "exact-match"
    wanted = [one.label if one.label is not None else one.corrected for one in trace.feedback]
    values = [score(name, trace.answer, _row(right, name)).value for right in wanted if right and right.strip()]
    return sum(values) / len(values) if values else None


def _row(right: str, name: str) -> Row:
    """A result is often told without its mark."""
    if name == "final-answer" and final_answer(right) is None:
        right = f"#### {right}"
    return Row(0, "", [{"role": "assistant", "content": right}], label=right)
