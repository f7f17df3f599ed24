"""A reward model on held-out pairs: how often the better answer scores higher, and whether its margins are honest.

The base has no rewards. What stands against the tuned model is the better of two that need no training: the answer that
the base finds likelier, token for token, and a coin. Where the first is worse than a coin, the coin it is.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from whet.data.batches.loader import in_order
from whet.data.prepare import Prepared
from whet.evaluation.contest import HeldOut
from whet.evaluation.facts import Measured
from whet.evaluation.heldout import lines_of_answers
from whet.evaluation.metrics.preference_accuracy import preference_score, read_pairs
from whet.evaluation.metrics.scoring import RowScore, values_of
from whet.evaluation.models import READ_TOKENS, EvaluatedModel
from whet.losses.answers import rows_of_pairs
from whet.model.heads.linear import Scorer
from whet.stats.calibration import calibration
from whet.stats.functions import sigmoid
from whet.training.learners.reward import pair_scores

Finish = Callable[[EvaluatedModel], Measured]
"""From the base to facts and lines."""
METRIC = "preference-accuracy"
COIN = 0.5


@torch.no_grad()
def read_rewards(scorer: Scorer, prepared: Prepared) -> dict[int, tuple[float, float]]:
    """(reward of the chosen answer, of the rejected one) of each test pair, by input row."""
    rewards = {}
    for batch in in_order(prepared.test, READ_TOKENS, per_tree=True):
        pairs = pair_scores(scorer, batch).T.tolist()
        for row, (chosen, rejected) in zip(rows_of_pairs(batch), pairs, strict=True):
            rewards[row] = (chosen, rejected)
    return rewards


def measure_rewards(scorer: Scorer, held_out: HeldOut) -> Finish:
    """Scores the tuned model now; returns a function that scores the base and gives facts and lines."""
    rewards = read_rewards(scorer, held_out.prepared)
    rows = held_out.rows
    reward_R2 = np.array([rewards[row.index] for row in rows])
    margin_R = reward_R2[:, 0] - reward_R2[:, 1]
    tuned = [RowScore(_right(margin), {"margin": margin}) for margin in margin_R.tolist()]

    def finish(base: EvaluatedModel) -> Measured:
        pairs = read_pairs(base, held_out.prepared.test)
        opponent = [preference_score(pairs[row.index]) for row in rows]
        accuracy = float(np.mean(values_of(opponent)))
        kind, reason = "likelihood", "the base: the answer that it finds likelier, token for token"

        if accuracy < COIN:
            opponent = [RowScore(COIN)] * len(rows)
            kind, reason = "coin", f"the base: a coin, because its likelihood is right in only {100 * accuracy:.1f}%"

        scores = {"base": opponent, "tuned": tuned}
        facts = held_out.difference(METRIC, f"held-out pairs; {reason}", scores)
        facts["base"]["kind"] = kind
        facts["base"]["likelihood_accuracy"] = accuracy
        facts["tuned"]["reward_mean"] = float(reward_R2.mean())
        facts["tuned"]["reward_spread"] = float(reward_R2.std())
        facts["calibration"] = calibration(sigmoid(np.abs(margin_R)), values_of(tuned))

        texts = [f"chosen {chosen:+.3f}, rejected {rejected:+.3f}" for chosen, rejected in reward_R2.tolist()]
        return facts, lines_of_answers(rows, scores, {"base": [""] * len(rows), "tuned": texts})

    return finish


def _right(margin: float) -> float:
    if margin == 0:
        return COIN
    return float(margin > 0)
