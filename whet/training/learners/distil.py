"""distil: the model writes answers, and at each token of them moves towards what the teacher would have said there.

What is written depends on the weights, the seed and the step's number alone, so a resumed run writes the same.
Legend: N tokens of a batch's answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from whet.data.batches.prompt_loader import PromptLoader
from whet.generation.teacher import Teacher
from whet.losses.divergence import divergence_loss
from whet.model.logits.divergence import token_divergence
from whet.model.policy import Policy
from whet.recipe.schema import Distil
from whet.training.learner import BaseLearner
from whet.training.learners.rollout import Rollout, Sampler, build_batches
from whet.types import Batch, LossOut, Segment


@dataclass(slots=True)
class DistilLearner(BaseLearner):
    """Fresh answers at every step."""

    policy: Policy
    teacher: Teacher
    sampler: Sampler
    loader: PromptLoader
    settings: Distil
    held_out: list[Segment]
    """The validation prompts."""
    facts: dict[str, tuple[float, float]] = field(default_factory=dict)
    """What the step's log says of the answers; goes with the first batch."""
    writes_answers = True

    def batches(self, step: int) -> list[Batch]:
        rollout = self.sampler.draw(self.loader.prompts(step), self.settings.samples, step)
        self.facts = rollout.written()
        return self._planted(rollout)

    def validation(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Greedy answers to the validation prompts."""
        if self.held_out:
            yield from self._planted(self.sampler.greedy(self.held_out))

    def loss(self, batch: Batch) -> LossOut:
        out = divergence_loss(self.divergence(batch), batch.weight_N)
        facts, self.facts = self.facts, {}
        return LossOut(out.total, out.metrics | facts)

    def divergence(self, batch: Batch) -> Tensor:
        """KL(policy || teacher) at each token, in nats, shape (N,)."""
        with torch.no_grad():
            teacher_ND = self.teacher.policy.hidden(batch)
        student_ND = self.policy.hidden(batch)
        found_N = token_divergence(student_ND, self.policy.head, teacher_ND, self.teacher.policy.head, "reverse")
        return found_N.to(batch.weight_N.device)

    def _planted(self, rollout: Rollout) -> list[Batch]:
        return list(build_batches(rollout, range(len(rollout.answers)), self.loader.micro_batch_tokens))
