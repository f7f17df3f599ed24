"""Held-out text, block by block: what pre-training is measured by."""

from __future__ import annotations

from whet.data.pretrain.blocks import read_through
from whet.data.pretrain.corpus import corpus_of
from whet.errors import DataError
from whet.evaluation.contest import Contest
from whet.evaluation.facts import Evaluation
from whet.evaluation.heldout import likelihoods
from whet.evaluation.metrics import scoring as metric
from whet.evaluation.models import READ_TOKENS
from whet.types import Row


def measure_blocks(contest: Contest, context: int) -> tuple[Evaluation, dict[str, list[float]]]:
    """The probability of held-out text, block by block; and the scores of base and tuned. Raises DataError for a corpus
    without held-out text."""
    corpus = corpus_of(contest.source)
    if len(corpus.test) < 2:
        raise DataError("there is no held-out text, so nothing can be measured", fix="make split.test larger than 0")

    nll = {model.name: model.nll(read_through(corpus.test, context, READ_TOKENS)) for model in contest.models}
    rows = [Row(index, f"block {index}") for index in sorted(nll["base"])]
    scores = {side: likelihoods(side_nll, rows) for side, side_nll in nll.items()}

    reason = "text has no answers, so the probability of held-out blocks is compared"
    facts = contest.difference("nll", reason, scores, rows)
    return facts, {side: metric.values_of(side_scores) for side, side_scores in scores.items()}
