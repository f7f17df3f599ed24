"""The models of a verdict, base and tuned, which are read and asked in exactly the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from whet.data.batches.loader import in_order
from whet.evaluation.transcript import AnswerMemory, Transcript
from whet.model.base import Base
from whet.model.logits.divergence import token_divergence
from whet.model.policy import Policy
from whet.pulse import saying
from whet.types import Batch, Segment

READ_TOKENS = 4096
"""Tokens in one forward pass of an evaluation."""


@dataclass(slots=True)
class EvaluatedModel:
    """`active()` is entered around every use: if one model is base and tuned, it switches the adapter off."""

    name: str
    policy: Policy
    active: Callable[[], AbstractContextManager[object]] = nullcontext
    memory: AnswerMemory | None = None
    """Its greedy answers so far, so that nothing is asked twice."""

    @torch.no_grad()
    def nll(self, batches: Iterable[Batch]) -> dict[int, tuple[float, float]]:
        """Weighted NLL in nats and weight of each row, by the row's index."""
        totals: dict[int, list[float]] = {}
        with self.active(), saying(self.name):
            for batch in batches:
                loss_N = (-self.policy.logprobs(batch) * batch.weight_N).tolist()
                weights = batch.weight_N.tolist()
                for loss, weight, segment in zip(loss_N, weights, batch.segment_N.tolist(), strict=True):
                    entry = totals.setdefault(batch.rows[segment], [0.0, 0.0])
                    entry[0] += loss
                    entry[1] += weight

        return {row: (loss, weight) for row, (loss, weight) in totals.items()}

    def segments_nll(self, segments: Sequence[Segment]) -> dict[int, tuple[float, float]]:
        return self.nll(in_order(segments, READ_TOKENS))


def base_and_tuned(
    model: object, use_forest: bool, base_model: object | None = None
) -> tuple[EvaluatedModel, EvaluatedModel]:
    """(base, tuned). With an adapter one model is both; otherwise `base_model` is the base."""
    tuned = EvaluatedModel("tuned", Policy(model, use_forest))
    if base_model is None:
        return EvaluatedModel("base", Policy(model, use_forest), model.disable_adapter), tuned  # type: ignore[attr-defined]
    return EvaluatedModel("base", Policy(base_model, use_forest)), tuned


def remember(
    base: EvaluatedModel,
    tuned: EvaluatedModel | None,
    loaded: Base,
    stops: frozenset[int],
    path: Path,
    facts: Mapping[str, Any],
) -> Transcript:
    """Lets both models keep their answers in `path`. `facts` are those of the saved model."""
    transcript = Transcript(path)
    dtype = next(base.policy.model.parameters()).dtype
    who = f"{loaded.fingerprint} {dtype} stops {sorted(stops)} sees {loaded.context}"
    base.memory = AnswerMemory(who, transcript)

    if tuned is not None:
        who += f" {sorted(facts['weights_sha256'].items())}"
        if "scale" in facts:  # the weights of an adapter do not show it
            who += f" at {facts['scale']}"
        tuned.memory = AnswerMemory(who, transcript)

    return transcript


def text_nll(
    model: EvaluatedModel, texts: list[str], encode: Callable[[str], list[int]], context: int
) -> list[tuple[float, int]]:
    """Sum of NLL in nats and number of predicted tokens of each text; long texts are read in windows."""
    segments = []
    for number, text in enumerate(texts):
        ids = encode(text)
        for start in range(0, max(1, len(ids) - 1), context - 1):
            piece = ids[start : start + context]
            if len(piece) > 1:
                segments.append(Segment(piece, [0.0] + [1.0] * (len(piece) - 1), number))

    by_text = model.segments_nll(segments)
    sums = []
    for number in range(len(texts)):
        nats, tokens = by_text.get(number, (0.0, 0.0))
        sums.append((nats, int(tokens)))
    return sums


@torch.no_grad()
def kl_by_prompt(base: EvaluatedModel, tuned: EvaluatedModel, prompts: Sequence[list[int]]) -> list[tuple[float, int]]:
    """(sum of KL(base || tuned) in nats, number of tokens) of each prompt that has more than one token."""
    totals: dict[int, list[float]] = {}
    segments = []
    for row, ids in enumerate(prompts):
        if len(ids) > 1:
            segments.append(Segment(ids, [0.0] + [1.0] * (len(ids) - 1), row))
    if not segments:
        return []

    for batch in in_order(segments, READ_TOKENS):
        with base.active():
            base_ND, base_head = base.policy.hidden(batch), base.policy.head
        with tuned.active():
            tuned_ND, tuned_head = tuned.policy.hidden(batch), tuned.policy.head

        nats_N = token_divergence(tuned_ND, tuned_head, base_ND, base_head, "forward").tolist()
        for nats, segment in zip(nats_N, batch.segment_N.tolist(), strict=True):
            entry = totals.setdefault(batch.rows[segment], [0.0, 0])
            entry[0] += nats
            entry[1] += 1

    return [(max(0.0, nats), int(count)) for _, (nats, count) in sorted(totals.items())]
