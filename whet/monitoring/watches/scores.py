"""Does the model still score as on its test rows? By requests whose right label came later.

Corrections are not taken: people correct what is wrong, so that a score of them says how wrong what is wrong is. Nor is
a label that is none of the model's own: it is a word of whoever gave it.
"""

from __future__ import annotations

from collections.abc import Collection

from whet.evaluation.metrics.scoring import score
from whet.monitoring.trace import Trace
from whet.types import Row

BY_LABELS = "accuracy"
"""The metric."""


def scored(trace: Trace, labels: Collection[str]) -> float | None:
    """None for a trace without one of the labels. Where people gave several, the mean."""
    if trace.answer is None:
        return None
    right = [one.label for one in trace.feedback if one.label in labels]
    values = [score(BY_LABELS, trace.answer, _row(label)).value for label in right if label]
    return sum(values) / len(values) if values else None


def _row(label: str) -> Row:
    return Row(0, "", [{"role": "assistant", "content": label}], label=label)
