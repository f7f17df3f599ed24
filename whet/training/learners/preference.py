"""dpo: the loss over pairs, against what the base says of each answer where the loss looks at that.

Legend: P pairs of a batch, R pairs of the run. In `x_2P` row 0 is the chosen answer and row 1 the rejected one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from whet.data.batches.loader import Loader
from whet.losses.answers import paired_answers, rows_of_pairs, sum_over
from whet.losses.preference import preference_loss
from whet.model.policy import Policy
from whet.recipe.schema import Dpo
from whet.training.learner import BaseLearner
from whet.training.reference_logprobs import as_reference, cached_tensors
from whet.types import Batch, LossOut


@dataclass(slots=True)
class References:
    """The base's log-probabilities of both answers of each pair, by input row."""

    logprobs_2R: Tensor
    place: dict[int, int]

    def of(self, batch: Batch) -> Tensor:
        """Those of a batch's pairs, shape (2, P), on the CPU. Raises KeyError for a row that was not read."""
        places = [self.place[row] for row in rows_of_pairs(batch)]
        return self.logprobs_2R[:, torch.tensor(places, dtype=torch.long)]


@dataclass(slots=True)
class DpoLearner(BaseLearner):
    """The policy against the other answer, and against what the base said before the training."""

    policy: Policy
    source: Loader
    settings: Dpo
    references: References | None
    """None for a loss that does not look at them."""

    def batches(self, step: int) -> list[Batch]:
        return self.source.step(step)

    def loss(self, batch: Batch) -> LossOut:
        answers_2P = paired_answers(batch)
        policy_2P = sum_over(answers_2P, self.policy.logprobs(batch), batch)
        tokens_2P = sum_over(answers_2P, torch.ones_like(batch.weight_N), batch)
        if self.references:
            reference_2P = self.references.of(batch)
        else:
            reference_2P = None
        return preference_loss(policy_2P, reference_2P, tokens_2P, self.settings)


def first_epoch_batches(source: Loader, validation: Iterable[Batch], steps: int) -> Iterator[Batch]:
    """Every row of the run once, in the very batches of the first epoch and of each validation: rounding depends on
    what is read together, and so the margins of the first step are exactly 0."""
    for step in range(min(steps, source.steps_per_epoch)):
        yield from source.step(step)
    yield from validation


def references(folder: Path, key: str, policy: Policy, batches: Iterable[Batch]) -> References:
    """Those in `folder` where they were made with this key, else read from the base and stored there.

    The policy must not have been trained yet: without an adapter its own weights are the base's.
    """

    def read() -> dict[str, Tensor]:
        references = read_references(policy, batches)
        return {"rows": torch.tensor(list(references.place), dtype=torch.long), "logprobs": references.logprobs_2R}

    kept = cached_tensors(folder, key, read)
    return References(kept["logprobs"], {row: place for place, row in enumerate(kept["rows"].tolist())})


def read_references(policy: Policy, batches: Iterable[Batch]) -> References:
    """What the base says of the answers in `batches`."""
    rows: list[int] = []
    sums: list[Tensor] = []
    with as_reference(policy):
        for batch in batches:
            sums.append(sum_over(paired_answers(batch), policy.logprobs(batch), batch))
            rows += rows_of_pairs(batch)
    return References(torch.cat(sums, dim=1), {row: place for place, row in enumerate(rows)})
