"""A reward model: the loss over pairs of scores, both answers of a pair read over one prompt."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from whet.data.prepare import Target
from whet.losses.answers import paired_answers, rows_of_pairs
from whet.losses.reward import reward_loss
from whet.model.heads.linear import Scorer, leaves_of
from whet.recipe.schema import Reward
from whet.training.learner import BaseLearner, BatchSource
from whet.types import Batch, LossOut


@dataclass(slots=True)
class RewardLearner(BaseLearner):
    """reward: `margins` holds what the data says of some rows, by row."""

    scorer: Scorer
    source: BatchSource
    settings: Reward
    margins: dict[int, Target]

    def batches(self, step: int) -> list[Batch]:
        return self.source.step(step)

    def loss(self, batch: Batch) -> LossOut:
        scores_2P = pair_scores(self.scorer, batch)
        return reward_loss(scores_2P, self._margins(batch, scores_2P), self.settings.center)

    def _margins(self, batch: Batch, like_2P: Tensor) -> Tensor | None:
        if not self.margins:
            return None
        margins = [self.margins.get(row, 0.0) for row in rows_of_pairs(batch)]
        return torch.tensor(margins, dtype=like_2P.dtype, device=like_2P.device)


def pair_scores(scorer: Scorer, batch: Batch) -> Tensor:
    """Scores of the answers of P pairs, shape (2, P), the chosen ones first, in the order of the pairs' roots."""
    leaves, answers_2P = leaves_of(batch), paired_answers(batch)
    place_S = torch.zeros(len(batch.parents), dtype=torch.long)
    place_S[torch.tensor(leaves)] = torch.arange(len(leaves))
    return scorer.scores(batch)[:, 0][place_S[answers_2P]]
