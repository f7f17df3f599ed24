"""What all methods share that learn from answers of their own: when to write them, what was odd, how to validate."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import torch
from torch import Tensor

from whet.data.batches.prompt_loader import PromptLoader
from whet.losses.policy_gradient import overlong_penalty
from whet.model.policy import Policy, evaluating
from whet.observer import Observer
from whet.recipe.methods.rollouts import Rollouts
from whet.recipe.schema import Grpo, Ppo, Rloo
from whet.rewards.reward_check import reward_warnings
from whet.training.learner import BaseLearner, Learner
from whet.training.learners.next_token import NextTokenLearner
from whet.training.learners.rollout import Rollout, RolloutBatch, Sampler, build_batches
from whet.training.reference_logprobs import as_reference
from whet.types import Batch, Segment

Settings = TypeVar("Settings", bound=Rollouts)
SAME = 1e-4
"""Nats by which the sampler's log-probability of a token may differ from the policy's and pass for it."""
FAR = 0.01
"""Nats a token between sampler and policy from which training is known to become unstable (Tinker)."""


@dataclass
class OnPolicyLearner(BaseLearner, Generic[Settings]):
    """A method of the loop. A rollout serves `updates` steps; the run is resumed only where one begins."""

    policy: Policy
    sampler: Sampler
    loader: PromptLoader
    settings: Settings
    samples: int
    updates: int
    held_out: Sequence[Segment]
    """The validation prompts."""
    observer: Observer
    current: list[RolloutBatch] = field(default_factory=list)
    warned: bool = False
    writes_answers = True

    @abstractmethod
    def learn_from(self, rollout: Rollout) -> list[RolloutBatch]:
        """The rollout as batches with advantages; the sum of their weights divides the loss of a step."""

    def batches(self, step: int) -> list[Batch]:
        number, update = divmod(step, self.updates)
        if update == 0:
            self._compare_with_sampler()
            prompts = self.loader.prompts(number)
            rollout = self.sampler.draw(prompts, self.samples, number)

            if number == 0:
                self._report(rollout)
            self.current = self.learn_from(rollout)
            self.current[0].facts |= rollout.facts()
        else:
            self.current = [replace(batch, facts={}) for batch in self.current]

        return list(self.current)

    def score(self) -> float | None:
        """The mean reward of greedy answers to the validation prompts; None without any."""
        if not self.held_out:
            return None
        rewards = self.sampler.greedy(list(self.held_out)).scores.total
        return sum(rewards) / len(rewards)

    def last_check(self) -> Learner:
        """The loss of the rows' own tokens: what is read last is a batch of rows, not of written answers."""
        return NextTokenLearner(self.policy, self.loader)

    def _report(self, rollout: Rollout) -> None:
        """Say what is odd about the rewards before anything is learned from them."""
        rows = self.sampler.rows_of(rollout.prompts, 1)
        prompts = [row.prompt for row in rows]
        for sentence in reward_warnings(self.sampler.rewards, rollout.scores, prompts, rows):
            self.observer.note(f"look at the rewards: {sentence}")

    def _compare_with_sampler(self) -> None:
        """Say when what was sampled is no longer what is trained."""
        apart = [batch.facts.get("sampler_kl", (0.0, 0.0)) for batch in self.current]
        tokens = sum(count for _, count in apart)

        mean = sum(total for total, _ in apart) / max(1.0, tokens)
        if mean > FAR and not self.warned:
            self.warned = True
            self.observer.note(
                f"the model writes with other probabilities than it is trained with ({mean:.3f} nats a token apart; "
                f"more than {FAR} is known to be unstable): set dtype: float32"
            )

    def policy_logprobs(self, batch: RolloutBatch) -> Tensor:
        """Of each sampled token under the weights as they are, with gradient. The first update's own are the old ones:
        so the first ratio is exactly 1, whatever the sampler's rounding."""
        policy_N = self.policy.logprobs(batch)
        self.remember_old_logprobs(batch, policy_N)
        return policy_N

    def remember_old_logprobs(self, batch: RolloutBatch, policy_N: Tensor) -> None:
        """Keep the first update's log-probabilities as the old ones, and note how far the sampler was from them."""
        if batch.old_N is None:
            batch.old_N = policy_N.detach()
            apart = float((batch.sampled_N - batch.old_N).sum())
            batch.facts["sampler_kl"] = (apart, float(len(policy_N)))


def with_overlong_penalty(rollout: Rollout, settings: Grpo | Rloo | Ppo) -> Tensor:
    """Rewards (P, G) with the penalty for overlong answers where the recipe asks for it."""
    if settings.overlong != "penalise":
        return rollout.reward_PG
    return rollout.reward_PG + overlong_penalty(rollout.tokens_A, settings.max_new_tokens).view(-1, rollout.samples)


def learned_mask(rollout: Rollout, settings: Grpo | Rloo | Ppo) -> Tensor:
    """1 for each answer (A,) that is learned from, 0 for one that was cut off where the recipe leaves such out."""
    masks = settings.overlong == "mask"
    return torch.tensor([float(answer.finished or not masks) for answer in rollout.answers])


def answers_to_learn(reward_PG: Tensor, kept_A: Tensor, settings: Grpo | Rloo | Ppo) -> list[int]:
    """Numbers of the answers that can teach something: those kept, of groups whose rewards differ (of all groups where
    the KL to the base teaches, too). Never none, because a step learns from a batch; then the first, which teaches
    nothing."""
    varied_P = (reward_PG.amax(1) > reward_PG.amin(1)) | (settings.kl > 0)
    chosen_A = varied_P.repeat_interleave(reward_PG.shape[1]) & (kept_A > 0)
    return chosen_A.nonzero().flatten().tolist() or [0]


def read_base(policy: Policy, batches: Sequence[RolloutBatch]) -> None:
    """Fill in what the base says of the answers: the same model with its adapter off."""
    with as_reference(policy):
        for batch in batches:
            batch.reference_N = policy.logprobs(batch)


@torch.no_grad()
def old_logprobs(policy: Policy, batches: Sequence[RolloutBatch]) -> list[Tensor]:
    """The policy's log-probabilities of each batch before it learns from them: the sampler's where those of the first
    batch are the policy's own to within SAME, else read by the policy."""
    with evaluating(policy.model):
        first_N = policy.logprobs(batches[0])
        if (first_N - batches[0].sampled_N).abs().max() <= SAME:
            return [batch.sampled_N for batch in batches]
        return [first_N, *(policy.logprobs(batch) for batch in batches[1:])]


def rollout_batches(rollout: Rollout, chosen: Sequence[int], budget: int, weight: float) -> list[RolloutBatch]:
    """The chosen answers as batches that share the step's weight."""
    batches = build_batches(rollout, chosen, budget)
    for batch in batches:
        batch.weight = weight / len(batches)
    return batches
