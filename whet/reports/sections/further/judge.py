"""What a language model says of the answers."""

from __future__ import annotations

from typing import Any

from whet.reports.section import Section


def judge_view(evaluation: dict[str, Any]) -> dict[str, Any] | None:
    return evaluation.get("judge")


SECTION = Section(key="judge", title="Judge", after="wins", view=judge_view)
