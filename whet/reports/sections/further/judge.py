"""What a language model says of the answers."""

from __future__ import annotations

from whet.evaluation.facts import Evaluation
from whet.evaluation.preference_facts import JudgeFacts
from whet.reports.section import Section


def judge_view(evaluation: Evaluation) -> JudgeFacts | None:
    return evaluation.get("judge")


SECTION = Section(key="judge", title="Judge", after="wins", view=judge_view)
