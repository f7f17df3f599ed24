"""Learning a task without leaving the base: replay beside the task's rows, and a KL to the base.

Every n-th step is the method's own and a part of replay, weighted so that replay makes up `ratio` of the step's weight,
whatever the tokens: the loss of such a step is (1 - ratio) task + ratio replay; the others are the method's own alone.
A few large replays cost less than many small ones, because a forward pass over a handful of tokens takes as long as one
over a hundred. Which rows are replayed depends on the step's number and the seed alone, so a resumed run replays the
same. Legend: N supervised tokens of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from whet.data.batches.loader import Loader
from whet.losses.retention import add_losses, kl_penalty, replay_loss
from whet.model.logits.divergence import token_divergence
from whet.model.logits.logprob import token_logprobs
from whet.model.policy import Policy
from whet.recipe.schema import Keep
from whet.recipe.sections.keep import BASE
from whet.training.learner import BaseLearner, Learner
from whet.training.reference_logprobs import as_reference
from whet.types import Batch, LossOut, Segment


@dataclass(slots=True)
class ReplayedBatch(Batch):
    """A batch of general rows. `share` is what each unit of its weight counts in the step."""

    share: float = 1.0


class Replay:
    """Serves the replayed micro-batches of any step; none in a step that is not the last of `every`."""

    def __init__(
        self,
        segments: Sequence[Segment],
        ratio: float,
        batch_tokens: int,
        micro_batch_tokens: int,
        seed: int,
        every: int = 1,
    ) -> None:
        self.odds, self.every = ratio / (1 - ratio), every
        self.loader = Loader(segments, max(1, round(batch_tokens * self.odds)), micro_batch_tokens, seed)

    def step(self, step: int, weight: float) -> list[ReplayedBatch]:
        """For a step whose own batches weigh `weight` together."""
        turn, rest = divmod(step + 1, self.every)
        if rest:
            return []
        batches = self.loader.step(turn - 1)
        share = self.odds * weight / sum(batch.weight for batch in batches)
        return [replayed_batch(batch, share) for batch in batches]


def replayed_batch(batch: Batch, share: float) -> ReplayedBatch:
    values: dict[str, Any] = {field.name: getattr(batch, field.name) for field in fields(batch)}
    values |= {"weight": batch.weight * share, "share": share}
    return ReplayedBatch(**values)


@dataclass(slots=True)
class RetentionLearner(BaseLearner):
    """A learner around the method's own."""

    method: Learner
    policy: Policy
    replay: Replay | None
    kl: float
    replays_base: bool = False
    """The replay is what the base itself said: then a KL to the base takes the place of learning these words."""

    def batches(self, step: int) -> list[Batch]:
        own = self.method.batches(step)
        if self.replay is None:
            return own
        return [*own, *self.replay.step(step, sum(batch.weight for batch in own))]

    def loss(self, batch: Batch) -> LossOut:
        if not isinstance(batch, ReplayedBatch):
            own = self.method.loss(batch)
            if self.replay or not self.kl:
                return own
            return add_losses(own, self._kl_term(batch, self.policy.hidden(batch), 1.0))

        hidden_ND = self.policy.hidden(batch)
        if self.kl and self.replays_base:
            return self._kl_term(batch, hidden_ND, batch.share)

        target_N = batch.target_N.to(self.policy.device)
        logprobs_N = token_logprobs(hidden_ND, self.policy.head, target_N).to(batch.weight_N.device)
        replayed = replay_loss(logprobs_N, batch.weight_N, batch.share)

        if self.kl:
            return add_losses(replayed, self._kl_term(batch, hidden_ND, batch.share))
        return replayed

    def _kl_term(self, batch: Batch, hidden_ND: Tensor, share: float) -> LossOut:
        return kl_penalty(self._divergence(batch, hidden_ND), batch.weight_N, self.kl, share)

    def _divergence(self, batch: Batch, hidden_ND: Tensor) -> Tensor:
        """KL(base || policy) at each supervised token, in nats, shape (N,)."""
        with as_reference(self.policy), torch.no_grad():
            base_ND = self.policy.hidden(batch)
        head = self.policy.head
        return token_divergence(hidden_ND, head, base_ND, head, "forward").to(batch.weight_N.device)


def with_retention(learner: Learner, policy: Policy, replay: Replay | None, keep: Keep) -> Learner:
    """The learner with what holds it to its base, where the recipe asks for it. A KL meant for the replay is not taken
    on the answers instead."""
    if replay is None and (not keep.kl or keep.replays):
        return learner
    return RetentionLearner(learner, policy, replay, keep.kl or 0.0, keep.replay == BASE)
