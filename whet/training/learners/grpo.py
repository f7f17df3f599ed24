"""grpo: an answer is as good as it is above the mean of its group."""

from __future__ import annotations

from whet.losses.policy_gradient import group_advantages, grpo_loss, token_weights
from whet.recipe.schema import Grpo
from whet.training.learners.on_policy import (
    OnPolicyLearner,
    answers_to_learn,
    learned_mask,
    read_base,
    rollout_batches,
    with_overlong_penalty,
)
from whet.training.learners.rollout import Rollout, RolloutBatch
from whet.types import Batch, LossOut


class GrpoLearner(OnPolicyLearner[Grpo]):
    settings: Grpo

    def learn_from(self, rollout: Rollout) -> list[RolloutBatch]:
        settings, reward_PG, kept_A = (
            self.settings,
            with_overlong_penalty(rollout, self.settings),
            learned_mask(rollout, self.settings),
        )
        advantage_A = group_advantages(reward_PG, settings.scale).flatten()
        weight_A, weight = token_weights(rollout.tokens_A * kept_A, settings.mean, settings.max_new_tokens)
        chosen = answers_to_learn(reward_PG, kept_A, settings)

        batches = rollout_batches(rollout, chosen, self.loader.micro_batch_tokens, weight)
        for batch in batches:
            batch.advantage_A, batch.weight_N = advantage_A, (weight_A * kept_A)[batch.answer_N]
        if settings.kl > 0:
            read_base(self.policy, batches)
        return batches

    def loss(self, batch: Batch) -> LossOut:
        assert isinstance(batch, RolloutBatch)
        policy_N = self.policy_logprobs(batch)
        assert batch.old_N is not None
        advantage_N = batch.advantage_A[batch.answer_N]
        out = grpo_loss(
            policy_N, batch.old_N, batch.reference_N, advantage_N, batch.weight_N, batch.weight, self.settings
        )
        return LossOut(out.total, out.metrics | batch.facts)
