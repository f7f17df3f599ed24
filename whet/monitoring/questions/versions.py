"""Did a change begin with a version of the model?"""

from __future__ import annotations

from whet.monitoring.alarm import Suggestion
from whet.monitoring.memory.versions import Versions

NEAR = 50
"""Traces between the first one of a version and the change that it is to have brought."""
SHARE = 0.5
"""Of the traces since then, the version must have answered."""


def suggested(versions: Versions, since: int, otherwise: Suggestion) -> tuple[Suggestion, str]:
    """Roll back, where a change began with a version. `since` is the number of a request."""
    version = version_begun(versions, since)
    if version is not None:
        return "roll back", f"it began with {version}"
    reasons = {
        "collect": "it began with no new version: look at these rows, and collect right answers to them",
        "retrain": "it began with no new version: tune again on rows like these",
        "nothing": "it began with no new version, and no tune changes it: look at the machine and its load",
    }
    return otherwise, reasons[otherwise]


def version_begun(versions: Versions, since: int) -> str | None:
    """The version whose first trace lies near to a change, and which answered most since; None for the first one."""
    later = versions.since(since)
    for model, first in versions.began.items():
        near = abs(first - since) <= NEAR and first > 0
        if near and later.count(model) >= SHARE * len(later):
            return model
    return None
