"""Why a run did not come to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whet.reports.section import Section

if TYPE_CHECKING:
    from whet.store.run import StatusFacts

TITLES = {"failed": "This run failed", "stopped": "This run was stopped"}


def trouble_view(status: StatusFacts) -> tuple[str, str] | None:
    """A headline and a reason if the run did not come to its end."""
    word = str(status.get("status"))
    reason = status.get("error") or status.get("reason") or "The numbers below are as far as it came."
    if word in TITLES:
        return (TITLES[word], str(reason))
    return None


SECTION = Section(key="trouble", reads=("status.json",), view=trouble_view)
