"""Marked answers on the sealed rows: which way each moved between base and tuned model."""

from __future__ import annotations

from whet.evaluation.contest import Contest
from whet.evaluation.facts import Measured, add_keys
from whet.evaluation.heldout import lines_of_answers
from whet.evaluation.metrics.mark_accuracy import MARK_REASON, moved_as_marked, separation


def measure_marks(contest: Contest) -> Measured:
    """How often the answers moved as they are marked, between base and tuned. Nothing is generated."""
    rows = contest.rows
    base, tuned = (model.segments_nll(contest.prepared.test) for model in contest.models)
    gains = [base[row.index][0] - tuned[row.index][0] for row in rows]

    scores = moved_as_marked(gains, rows)
    facts = contest.difference("mark-accuracy", MARK_REASON, scores)
    add_keys(facts["tuned"], separation(gains, rows))
    return facts, lines_of_answers(rows, scores)
