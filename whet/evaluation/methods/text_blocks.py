"""Held-out text, block by block: what pre-training is measured by."""

from __future__ import annotations

from typing import Any

from whet.data.pretrain.blocks import read_through
from whet.data.pretrain.corpus import corpus_of
from whet.errors import DataError
from whet.evaluation.contest import Contest
from whet.evaluation.heldout import nll_of
from whet.evaluation.metrics import scoring as metric
from whet.evaluation.models import READ_TOKENS
from whet.types import Row


def measure_blocks(contest: Contest, context: int) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """For pre-training: the probability of held-out text, block by block; and the scores of both sides."""
    corpus = corpus_of(contest.source)
    if len(corpus.test) < 2:
        raise DataError("there is no held-out text, so nothing can be said", fix="make split.test larger than 0")
    found = {model.name: model.nll(read_through(corpus.test, context, READ_TOKENS)) for model in contest.models}
    rows = [Row(index, f"block {index}") for index in sorted(found["base"])]
    scores = {side: [metric.likelihood(*nll_of(nll, row)) for row in rows] for side, nll in found.items()}
    reason = "text has no answers, so the probability of held-out blocks is compared"
    facts = contest.difference("nll", reason, scores, rows)

    return facts, {side: [score.value for score in found] for side, found in scores.items()}
