"""Are people content? Each trace that somebody said something of is one observation: how bad it was.

A thumb down, or another answer than the one that was given, is 1, a thumb up 0; where people disagree it lies between,
and the trace is told as one that they disagree on. Comments alone say nothing here.
"""

from __future__ import annotations

from collections.abc import Collection

from whet.monitoring.trace import Feedback, Trace
from whet.text.normalise import normalise


def badness(trace: Trace, labels: Collection[str]) -> float | None:
    """The mean over those who said something; None where nobody did. `labels` are those that the model answers."""
    said = [bad for bad in (_bad(one, trace, labels) for one in trace.feedback) if bad is not None]
    return sum(said) / len(said) if said else None


def right_answer(said: Feedback, labels: Collection[str]) -> str | None:
    """A correction, or a label that is one of the model's own: any other is a word of whoever gave it."""
    if said.corrected is not None and said.corrected.strip():
        return said.corrected
    return said.label if said.label in labels else None


def _bad(said: Feedback, trace: Trace, labels: Collection[str]) -> float | None:
    if said.good is not None:
        return float(not said.good)
    wanted = right_answer(said, labels)
    if wanted is None or trace.answer is None:
        return None
    return float(normalise(wanted) != normalise(trace.answer))
