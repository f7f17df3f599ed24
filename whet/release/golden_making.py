"""Golden answers are made: what base and tuned model say to the golden prompts, and how sure of it both are.

In float32 where the machine has room for it, whatever the weights are kept in: a consumer that computes in float32 too
then differs by what the form did to the weights, and not by how two libraries round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from whet.data.batches.forest import build_batch
from whet.data.render.renderer import Renderer
from whet.evaluation.heldout import generate_answers
from whet.evaluation.models import EvaluatedModel, base_and_tuned
from whet.model.float32_copy import in_float32, why_not_widened
from whet.model.heads.linear import Scorer
from whet.model.heads.sequence_classifier import score_rows
from whet.model.open import OpenedModel
from whet.model.policy import evaluating
from whet.model.saved_model import ModelFacts
from whet.observer import Observer
from whet.release.golden import Golden, GoldenAnswer, GoldenCase, GoldenPrompt, GoldenScores
from whet.types import Completion, Segment

LIMIT = 48
"""Most tokens of a golden answer."""
CONTRAST = 8
"""Most tokens of the base's answer beside it."""
READ_TOKENS = 768
"""Tokens that are read at once: on a processor attention takes the square of it."""


def golden_answers(
    opened: OpenedModel, renderer: Renderer, prompts: Sequence[GoldenPrompt], observer: Observer
) -> Golden:
    """What base and tuned model of an opened run say to the prompts."""
    base, tuned = base_and_tuned(opened.model, opened.use_forest, opened.base_model)
    ids = [prompt.ids for prompt in prompts]

    done = _counter(observer, 2 * len(prompts))
    with widened(*(one for one in (opened.model, opened.base_model) if one is not None)) as dtype:
        answers = generate_answers(tuned, opened.base, ids, renderer, LIMIT, done(0))
        contrasts = generate_answers(base, opened.base, ids, renderer, CONTRAST, done(len(ids)))
        ends = [[answer, contrast] for answer, contrast in zip(answers, contrasts, strict=True)]
        read = {side.name: read_answers(side, ids, ends) for side in (base, tuned)}

    cases = [
        GoldenCase(prompt, *(_golden(one, of_base, of_tuned) for one, of_base, of_tuned in zip(*three, strict=True)))
        for prompt, *three in zip(prompts, ends, read["base"], read["tuned"], strict=True)
    ]

    return _golden_file(opened.facts, renderer, dtype, cases=cases)


def golden_scores(scorer: Scorer, facts: ModelFacts, renderer: Renderer, rows: Sequence[GoldenScores]) -> Golden:
    """What a model with a head says of the rows, whose scores are still empty."""
    with widened(scorer.policy.model) as dtype:
        found = score_rows(scorer, [row.ids for row in rows]).tolist()
    scored = [GoldenScores(row.text, row.ids, scores, row.messages) for row, scores in zip(rows, found, strict=True)]
    return _golden_file(facts, renderer, dtype, scores=scored)


@contextmanager
def widened(*models: Any) -> Iterator[str]:
    """Within this block the models hold their numbers in float32, where they can and the machine has room for it. Gives
    the dtype that they compute in then."""
    with ExitStack() as stack:
        if not any(why_not_widened(model) for model in models):
            for model in models:
                stack.enter_context(in_float32(model))
        yield str(next(models[0].parameters()).dtype).removeprefix("torch.")


@torch.no_grad()
def read_answers(
    side: EvaluatedModel, prompts: Sequence[list[int]], ends: Sequence[Sequence[Completion]]
) -> list[list[list[float]]]:
    """The log-probability of each token of each answer to each prompt, with that of the token that ended it."""
    found: list[list[list[float]]] = [[[] for _ in answers] for answers in ends]
    with side.active(), evaluating(side.policy.model):
        for part in _parts(prompts, ends):
            segments, owners = [], {}
            for number in part:
                root = len(segments)
                segments.append(Segment(prompts[number], [0.0] * len(prompts[number]), number))

                for place, answer in enumerate(ends[number]):
                    owners[len(segments)] = (number, place)
                    tokens = _tokens(answer)
                    segments.append(Segment(tokens, [1.0] * len(tokens), number, parent=root))

            batch = build_batch(segments)
            logprobs = side.policy.logprobs(batch).tolist()
            for value, segment in zip(logprobs, batch.segment_N.tolist(), strict=True):
                number, place = owners[segment]
                found[number][place].append(value)

    return found


def _parts(prompts: Sequence[list[int]], ends: Sequence[Sequence[Completion]]) -> Iterator[list[int]]:
    """Prompts that are read at once."""
    part, size = [], 0
    for number in sorted(range(len(prompts)), key=lambda n: len(prompts[n])):
        need = len(prompts[number]) + sum(len(_tokens(answer)) for answer in ends[number])
        if part and size + need > READ_TOKENS:
            yield part
            part, size = [], 0

        part.append(number)
        size += need

    if part:
        yield part


def _tokens(answer: Completion) -> list[int]:
    if answer.stop_id is None:
        return answer.ids
    return [*answer.ids, answer.stop_id]


def _golden(answer: Completion, base: list[float], tuned: list[float]) -> GoldenAnswer:
    return GoldenAnswer(answer.text, answer.ids, answer.stop_id, base, tuned)


def _golden_file(facts: ModelFacts, renderer: Renderer, dtype: str, **found: Any) -> Golden:
    return Golden(
        cases=found.get("cases", []),
        scores=found.get("scores", []),
        stop_ids=sorted(renderer.stop_ids),
        limit=LIMIT,
        dtype=dtype,
        weights_dtype=facts["dtype"],
        weights_sha256=facts.get("weights_sha256", {}),
        scale=facts.get("scale", 1.0),
        clock=renderer.clock.isoformat(),
    )


def _counter(observer: Observer, total: int) -> Callable[[int], Callable[[int], None]]:
    return lambda before: lambda done: observer.step(before + done, total, {})
