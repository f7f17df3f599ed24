"""What binds data, model and loss into a method for the loop. One class a method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from whet.loss.sft import sft_loss
from whet.model.policy import Policy
from whet.types import Batch, LossOut


class BatchSource(Protocol):
    def step(self, step: int) -> list[Batch]: ...

    def largest(self) -> Batch: ...


@dataclass(slots=True)
class NextToken:
    """sft and pretrain: the same loss; which tokens are supervised is the data's business."""

    policy: Policy
    source: BatchSource

    def batches(self, step: int) -> list[Batch]:
        return self.source.step(step)

    def loss(self, batch: Batch) -> LossOut:
        return sft_loss(self.policy.logprobs(batch), batch.weight_N)
