"""Marked answers on the sealed rows: which way each moved between base and tuned model."""

from __future__ import annotations

from whet.evaluation.contest import Contest, Measured
from whet.evaluation.heldout import answer_lines
from whet.evaluation.metrics.mark_accuracy import MARK_REASON, apart, moved_rightly


def measure_marks(contest: Contest) -> Measured:
    """For marked answers: how often each moved the right way between base and tuned. Nothing is generated."""
    rows = contest.rows
    nll = {side.name: side.segments_nll(contest.prepared.test) for side in contest.sides}
    gains = [nll["base"][row.index][0] - nll["tuned"][row.index][0] for row in rows]
    scores = moved_rightly(gains, rows)
    facts = contest.difference("mark-accuracy", MARK_REASON, scores)
    facts["tuned"] |= apart(gains, rows)
    return facts, answer_lines(rows, scores, {side: [""] * len(rows) for side in nll})
