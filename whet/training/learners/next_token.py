"""The learner of sft and pretrain: a row's own tokens, one after the other."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from whet.losses.next_token import sft_loss
from whet.model.policy import Policy
from whet.training.learner import BaseLearner, BatchSource
from whet.types import Batch, LossOut


@dataclass(slots=True)
class NextTokenLearner(BaseLearner):
    """sft and pretrain: the same loss; which tokens are supervised is the data's business."""

    policy: Policy
    source: BatchSource

    def batches(self, step: int) -> list[Batch]:
        return self.source.step(step)

    def loss(self, batch: Batch) -> LossOut:
        logprobs_N = self.policy.logprobs(batch)
        out = sft_loss(logprobs_N, batch.weight_N)
        if not torch.is_grad_enabled():  # a validation
            out.metrics["accuracy"] = sure_answers(logprobs_N, batch)
        return out


def sure_answers(logprobs_N: Tensor, batch: Batch) -> tuple[float, float]:
    """(segments that greedy writing is sure to give, segments with something to learn): each of their tokens has more
    than half of the probability. It costs nothing beside the loss, and is at most the share that exact-match finds."""
    learned_N = batch.weight_N > 0
    segment_N, unsure_N = batch.segment_N[learned_N], (logprobs_N[learned_N] <= math.log(0.5)).to(torch.float32)
    unsure_S = torch.zeros(len(batch.lengths)).index_add_(0, segment_N.long(), unsure_N)
    learned_S = segment_N.unique()
    return float((unsure_S[learned_S] == 0).sum()), float(len(learned_S))
