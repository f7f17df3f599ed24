"""Did a change begin with a version of the model?"""

from __future__ import annotations

from collections.abc import Sequence

from whet.monitoring.alarm import Suggestion
from whet.monitoring.trace import Trace

NEAR = 50
"""Traces between the first one of a version and the change that it is to have brought."""
SHARE = 0.5
"""Of the traces since then, the version must have answered."""


def suggested(traces: Sequence[Trace], since: int, otherwise: Suggestion) -> tuple[Suggestion, str]:
    """Roll back, where a change began with a version."""
    version = version_begun(traces, since)
    if version is not None:
        return "roll back", f"it began with {version}"
    reasons = {
        "collect": "it began with no new version: look at these rows, and collect right answers to them",
        "retrain": "it began with no new version: tune again on rows like these",
        "nothing": "it began with no new version, and no tune changes it: look at the machine and its load",
    }
    return otherwise, reasons[otherwise]


def version_begun(traces: Sequence[Trace], since: int) -> str | None:
    """The version whose first trace lies near to a change, and which answered most since; None for the first one."""
    begins: dict[str, int] = {}
    for place, trace in enumerate(traces):
        if trace.answered_by is not None:
            begins.setdefault(trace.answered_by, place)
    later = [trace.answered_by for trace in traces[since:]]
    for model, first in begins.items():
        near = abs(first - since) <= NEAR and first > 0
        if near and later.count(model) >= SHARE * len(later):
            return model
    return None
