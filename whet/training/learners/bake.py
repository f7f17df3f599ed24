"""bake: without the prompt the tuned model says what its base says with it, over the whole vocabulary.

Legend: N answer tokens of a batch, D hidden size.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from whet.data.batches.system_prefix import SystemPrefix, prompted_batch
from whet.losses.divergence import divergence_loss
from whet.model.logits.divergence import token_divergence
from whet.model.policy import Policy
from whet.training.learner import BaseLearner, BatchSource
from whet.training.reference_logprobs import as_reference
from whet.types import Batch, LossOut


@dataclass(slots=True)
class BakeLearner(BaseLearner):
    """The teacher is the policy's own base, the adapter off, with the prompt in front."""

    policy: Policy
    source: BatchSource
    front: SystemPrefix

    def batches(self, step: int) -> list[Batch]:
        return self.source.step(step)

    def loss(self, batch: Batch) -> LossOut:
        return divergence_loss(self.divergence(batch), batch.weight_N)

    def divergence(self, batch: Batch) -> Tensor:
        """KL(base with the prompt || policy without it) at each answer token, in nats, shape (N,)."""
        teacher_ND = self._prompted(batch)
        head = self.policy.head
        found_N = token_divergence(self.policy.hidden(batch), head, teacher_ND, head, "forward")
        return found_N.to(batch.weight_N.device)

    def _prompted(self, batch: Batch) -> Tensor:
        """What the base with the prompt has in mind before each answer token, shape (N, D)."""
        with as_reference(self.policy):
            return self.policy.hidden(prompted_batch(batch, self.front))
