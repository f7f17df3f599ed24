"""ppo: a value head says what to expect before each token, and a token is as good as what came after is above that.

The weight of the KL is the one thing that a rollout hands to the next beside the weights; it lies in `state`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from whet.losses.ppo import adapt_kl_weight, gae, ppo_loss, token_rewards, whitened
from whet.model.heads.value import ValueHead, add_value_head, remove_value_head
from whet.model.logits.entropy import token_entropy
from whet.model.logits.logprob import token_logprobs
from whet.model.policy import evaluating
from whet.recipe.schema import Ppo
from whet.training.learners.on_policy import (
    OnPolicyLearner,
    learned_mask,
    old_logprobs,
    read_base,
    rollout_batches,
    with_overlong_penalty,
)
from whet.training.learners.rollout import Rollout, RolloutBatch
from whet.types import Batch, LossOut


@dataclass
class PpoLearner(OnPolicyLearner[Ppo]):
    settings: Ppo
    critic: ValueHead = field(init=False)

    def __post_init__(self) -> None:
        add_value_head(self.policy)
        self.critic = ValueHead(self.policy, self.settings.critic)

    def finish(self) -> None:
        remove_value_head(self.policy)

    @property
    def kl_weight(self) -> float:
        return self.state.get("kl_weight", self.settings.kl)

    def learn_from(self, rollout: Rollout) -> list[RolloutBatch]:
        kept_A = learned_mask(rollout, self.settings)
        chosen = kept_A.nonzero().flatten().tolist() or [0]
        tokens = float((rollout.tokens_A[chosen]).sum())
        batches = rollout_batches(rollout, chosen, self.loader.micro_batch_tokens, tokens)
        read_base(self.policy, batches)
        kl_AT, value_AT, mask_AT = self._laid_out(rollout, batches)
        score_A = with_overlong_penalty(rollout, self.settings).flatten()
        last_A = (mask_AT.sum(1) - 1).clamp_min(0)
        reward_AT = token_rewards(score_A, kl_AT, last_A, self.kl_weight)
        advantage_AT = gae(reward_AT, value_AT, mask_AT, self.settings.discount, self.settings.trace)
        return_AT = advantage_AT + value_AT

        if self.settings.whiten:
            advantage_AT[mask_AT] = whitened(advantage_AT[mask_AT])

        for batch in batches:
            place = (batch.answer_N, places(batch.answer_N))
            batch.advantage_N, batch.return_N = advantage_AT[place], return_AT[place]
            batch.old_value_N = value_AT[place]

        self._remember(batches, kl_AT, mask_AT)
        return batches

    @torch.no_grad()
    def _laid_out(self, rollout: Rollout, batches: list[RolloutBatch]) -> tuple[Tensor, Tensor, Tensor]:
        """KL and value of each token, and which there are, as (A, T)."""
        shape = (len(rollout.answers), int(rollout.tokens_A.max()))
        kl_AT, value_AT, mask_AT = torch.zeros(shape), torch.zeros(shape), torch.zeros(shape, dtype=torch.bool)
        for batch, own_N in zip(batches, old_logprobs(self.policy, batches), strict=True):
            with evaluating(self.policy.model):
                value_N = self.critic.values(self.policy.hidden(batch), batch)
            assert batch.reference_N is not None
            place = (batch.answer_N, places(batch.answer_N))
            kl_AT[place], value_AT[place], mask_AT[place] = own_N - batch.reference_N, value_N, True

        return kl_AT, value_AT, mask_AT

    def _remember(self, batches: list[RolloutBatch], kl_AT: Tensor, mask_AT: Tensor) -> None:
        """Log the KL and, where the recipe names a target, steer its weight for the next rollout."""
        answers, total = int(mask_AT.any(1).sum()), float(kl_AT.sum())
        batches[0].facts |= {"kl": (total, float(mask_AT.sum())), "kl_answer": (total, float(answers))}
        batches[0].facts["kl_weight"] = (self.kl_weight, 1.0)
        if self.settings.kl_target is not None:
            self.state["kl_weight"] = adapt_kl_weight(self.kl_weight, total / answers, self.settings.kl_target, answers)

    def loss(self, batch: Batch) -> LossOut:
        assert isinstance(batch, RolloutBatch)
        hidden_ND = self.policy.hidden(batch)
        target_N = batch.target_N.to(self.policy.device)
        policy_N = token_logprobs(hidden_ND, self.policy.head, target_N).to(batch.weight_N.device)
        self.remember_old_logprobs(batch, policy_N)
        value_N = self.critic.values(hidden_ND, batch)
        entropy_N = None

        if self.settings.entropy > 0:
            entropy_N = token_entropy(hidden_ND, self.policy.head).to(batch.weight_N.device)
        old_N, advantage_N, old_value_N, return_N = batch.old_N, batch.advantage_N, batch.old_value_N, batch.return_N
        assert old_N is not None and advantage_N is not None and old_value_N is not None and return_N is not None
        numbers = (policy_N, old_N, advantage_N, value_N, old_value_N, return_N, entropy_N)
        out = ppo_loss(*numbers, batch.weight, self.settings)

        return LossOut(out.total, out.metrics | batch.facts)


def places(answer_N: Tensor) -> Tensor:
    """The place of each token in its answer: the tokens of an answer are side by side."""
    place_N = torch.arange(len(answer_N))
    begins_N = torch.ones_like(answer_N, dtype=torch.bool)
    begins_N[1:] = answer_N[1:] != answer_N[:-1]
    return place_N - torch.where(begins_N, place_N, 0).cummax(0).values
