"""rloo: an answer is as good as it is above the mean of the others of its group, less its distance from the base."""

from __future__ import annotations

import torch
from torch import Tensor

from whet.losses.policy_gradient import leave_one_out, rloo_loss
from whet.recipe.schema import Rloo
from whet.training.learners.on_policy import (
    OnPolicyLearner,
    answers_to_learn,
    learned_mask,
    old_logprobs,
    read_base,
    rollout_batches,
    with_overlong_penalty,
)
from whet.training.learners.rollout import Rollout, RolloutBatch
from whet.types import Batch, LossOut


class RlooLearner(OnPolicyLearner[Rloo]):
    settings: Rloo

    def learn_from(self, rollout: Rollout) -> list[RolloutBatch]:
        settings, reward_PG, kept_A = (
            self.settings,
            with_overlong_penalty(rollout, self.settings),
            learned_mask(rollout, self.settings),
        )
        chosen, weight = answers_to_learn(reward_PG, kept_A, settings), float(len(rollout.answers))
        batches = rollout_batches(rollout, chosen, self.loader.micro_batch_tokens, weight)

        if settings.kl > 0:
            kl_A = self._distance(batches, len(rollout.answers))
            reward_PG = reward_PG - settings.kl * kl_A.view_as(reward_PG)
            batches[0].facts["kl"] = (float(kl_A.sum()), float(rollout.tokens_A.sum()))

        advantage_A = leave_one_out(reward_PG, settings.normalise).flatten()
        for batch in batches:
            batch.advantage_A = advantage_A * kept_A
        return batches

    def _distance(self, batches: list[RolloutBatch], answers: int) -> Tensor:
        """log p(answer) - log p_base(answer) of each answer, in nats: an estimate of the KL to the base."""
        kl_A = torch.zeros(answers)
        read_base(self.policy, batches)
        for batch, own_N in zip(batches, old_logprobs(self.policy, batches), strict=True):
            assert batch.reference_N is not None
            kl_A.index_add_(0, batch.answer_N, own_N - batch.reference_N)
        return kl_A

    def loss(self, batch: Batch) -> LossOut:
        assert isinstance(batch, RolloutBatch)
        policy_N = self.policy_logprobs(batch)
        assert batch.old_N is not None
        answers_A, answer_N = batch.answer_N.unique(return_inverse=True)
        advantage_A = batch.advantage_A[answers_A]
        out = rloo_loss(policy_N, batch.old_N, answer_N, advantage_A, batch.weight, self.settings)
        return LossOut(out.total, out.metrics | batch.facts)
