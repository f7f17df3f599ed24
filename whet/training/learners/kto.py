"""kto: single answers marked good or bad, against what the base says of them.

The reference point of the loss is a mean over mismatched pairs: every prompt of a step with the answer of the one
before it. It is estimated once a step, before the micro-batches, so that the loss does not depend on how a step is cut.

Legend: P answers of a batch. A place is (input row of the prompt, input row of the answer): the same row twice for an
answer under its own prompt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from whet.data.batches.forest import build_batch, segments_of
from whet.data.batches.loader import Loader, fill
from whet.losses.answers import single_answers, sum_over
from whet.losses.kto import kto_loss, reference_point
from whet.model.policy import Policy, evaluating
from whet.recipe.schema import Kto
from whet.training.learner import BaseLearner
from whet.training.learners.preference import first_epoch_batches
from whet.training.reference_logprobs import as_reference, cached_tensors
from whet.types import Batch, LossOut, Segment

PairKey = tuple[int, int]


@dataclass(slots=True)
class KtoLearner(BaseLearner):
    """The policy against what the base said before the training, of answers with a mark."""

    policy: Policy
    source: Loader
    settings: Kto
    desirable: dict[int, bool]
    """Whether the answer of an input row is good."""
    references: dict[PairKey, float]
    """The base's log-probability of each answer, in nats."""
    point: float = 0.0
    """The reference point of the step, or of the validation, whose batches were handed out last."""

    def batches(self, step: int) -> list[Batch]:
        batches = self.source.step(step)
        self.point = self._estimate(mismatched_pairs_of_step(self.source, step))
        return batches

    def validation(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The batches, with a reference point of their own."""
        batches = list(batches)
        self.point = self._estimate(mismatched_pairs(batches, self.source.micro_batch_tokens))
        yield from batches

    def loss(self, batch: Batch) -> LossOut:
        policy_P = self._answer_logprobs(batch)
        desirable_P = torch.tensor([self.desirable[row] for row, _ in places_of(batch)])
        return kto_loss(policy_P, self._references_of(batch), desirable_P, self.point, self.settings)

    def _answer_logprobs(self, batch: Batch) -> Tensor:
        """log p of each answer, in nats, shape (P,)."""
        return sum_over(single_answers(batch), self.policy.logprobs(batch), batch)

    @torch.no_grad()
    def _estimate(self, batches: Sequence[Batch]) -> float:
        with evaluating(self.policy.model):
            policy = [self._answer_logprobs(batch) for batch in batches]
        reference = [self._references_of(batch) for batch in batches]
        if batches:
            return reference_point(torch.cat(policy), torch.cat(reference))
        return 0.0

    def _references_of(self, batch: Batch) -> Tensor:
        return torch.tensor([self.references[place] for place in places_of(batch)], dtype=torch.float32)


def places_of(batch: Batch) -> list[PairKey]:
    """The prompt's and the answer's input row of each answer of a batch."""
    keys = []
    for number in single_answers(batch).tolist():
        parent = batch.parents[number]
        assert parent is not None
        keys.append((batch.rows[parent], batch.rows[number]))
    return keys


def mismatched_pairs_of_step(source: Loader, step: int) -> list[Batch]:
    """The mismatched pairs of a step. A row that has a step for itself meets the answer of a neighbouring step."""
    batches = source.step(step)
    alone = sum(len(single_answers(batch)) for batch in batches) == 1
    if not alone or source.steps_per_epoch == 1:
        return mismatched_pairs(batches, source.micro_batch_tokens)

    if (step + 1) % source.steps_per_epoch:
        neighbour = step + 1
    else:
        neighbour = step - 1

    return mismatched_pairs([*batches, source.step(neighbour)[0]], source.micro_batch_tokens)


def mismatched_pairs(batches: Sequence[Batch], micro_batch_tokens: int) -> list[Batch]:
    """Every prompt with the answer before it, the first one with the last (as in TRL); none of a single pair, which has
    no other answer."""
    pairs: list[tuple[Segment, Segment]] = []
    for batch in batches:
        pairs += _pairs(batch)
    if len(pairs) < 2:
        return []

    prompts, answers = zip(*pairs, strict=True)
    mismatched = list(zip(prompts, (answers[-1], *answers[:-1]), strict=True))
    lengths = [len(prompt.ids) + len(answer.ids) for prompt, answer in mismatched]

    mixed_batches = []
    for numbers in fill(range(len(mismatched)), lengths, micro_batch_tokens):
        mixed_batches.append(_batch([mismatched[number] for number in numbers]))
    return mixed_batches


def _pairs(batch: Batch) -> list[tuple[Segment, Segment]]:
    segments = segments_of(batch)
    pairs = []
    for number in single_answers(batch).tolist():
        parent = segments[number].parent
        assert parent is not None
        pairs.append((segments[parent], segments[number]))
    return pairs


def _batch(pairs: Sequence[tuple[Segment, Segment]]) -> Batch:
    laid: list[Segment] = []
    for prompt, answer in pairs:
        laid += [prompt, Segment(answer.ids, answer.weights, answer.row, len(laid))]
    return build_batch(laid)


def reference_batches(source: Loader, validation: Sequence[Batch], steps: int) -> Iterator[Batch]:
    """Every batch that the run will want references of: the answers once, their mismatched pairs in every step."""
    yield from first_epoch_batches(source, validation, steps)
    for step in range(steps):
        yield from mismatched_pairs_of_step(source, step)
    yield from mismatched_pairs(validation, source.micro_batch_tokens)


def references(folder: Path, key: str, policy: Policy, batches: Iterable[Batch]) -> dict[PairKey, float]:
    """The base's log-probabilities of the answers in `batches`: those in `folder` where they were made with this key,
    else read from the base and stored there. The policy must not have been trained yet."""

    def read() -> dict[str, Tensor]:
        logprobs = read_references(policy, batches)
        places = torch.tensor(list(logprobs), dtype=torch.long).reshape(-1, 2)
        return {"places": places, "logprobs": torch.tensor(list(logprobs.values()), dtype=torch.float32)}

    kept = cached_tensors(folder, key, read)
    places = ((prompt, answer) for prompt, answer in kept["places"].tolist())
    return dict(zip(places, kept["logprobs"].tolist(), strict=True))


def read_references(policy: Policy, batches: Iterable[Batch]) -> dict[PairKey, float]:
    """What the base says of the answers in `batches`, as it was read first: rounding depends on what is read together,
    and the first steps are to begin at exactly 0."""
    logprobs: dict[PairKey, float] = {}
    with as_reference(policy):
        for batch in batches:
            sums = sum_over(single_answers(batch), policy.logprobs(batch), batch).tolist()
            for place, value in zip(places_of(batch), sums, strict=True):
                logprobs.setdefault(place, value)

    return logprobs
