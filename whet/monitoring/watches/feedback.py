"""Are people content? Each trace that somebody said something of is one observation: how bad it was.

A thumb down, or another answer than the one that was given, is 1, a thumb up 0; where people disagree it lies between,
and the trace is told as one that they disagree on. Comments alone say nothing here.
"""

from __future__ import annotations

from whet.monitoring.trace import Feedback, Trace
from whet.text.normalise import normalise


def badness(trace: Trace) -> float | None:
    """The mean over those who said something; None where nobody did."""
    said = [bad for bad in (_bad(one, trace) for one in trace.feedback) if bad is not None]
    return sum(said) / len(said) if said else None


def _bad(said: Feedback, trace: Trace) -> float | None:
    if said.good is not None:
        return float(not said.good)
    wanted = said.corrected if said.corrected is not None else said.label
    if wanted is None or trace.answer is None:
        return None
    return float(normalise(wanted) != normalise(trace.answer))
