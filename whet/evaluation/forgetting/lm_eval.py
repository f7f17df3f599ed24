"""Tasks of lm-eval (EleutherAI's evaluation harness) before and after a tune: its runner, its prompts, our model.

The harness asks three things of a model: how likely a continuation is, how likely a text is, and what it writes. All
three are answered by the functions that the rest of the evaluation uses. Only the extra `lm-eval` needs the package.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from whet.data.batches.loader import in_order
from whet.data.render.renderer import Renderer
from whet.evaluation.forgetting.lm_eval_tasks import TaskScores, harness, metrics_of, name_of, open_tasks, scores_of
from whet.evaluation.models import READ_TOKENS, EvaluatedModel, text_nll
from whet.generation.engine import Sampling, generate
from whet.model.adapter import causal_lm
from whet.model.base import Base
from whet.model.logits.logprob import chunks, token_logprobs
from whet.types import Segment

LONGEST = 256
"""Tokens of a written answer where the task does not say."""


def run_tasks(
    model: EvaluatedModel, loaded: Base, renderer: Renderer, tasks: Sequence[str], limit: int | None
) -> dict[str, TaskScores]:
    """Each task's scores by document, under its name. Raises InputError as open_tasks and scores_of do."""
    opened = open_tasks(tasks)
    found = harness().simple_evaluate(
        model=lm_of(model, loaded, renderer), tasks=opened, limit=limit, bootstrap_iters=0, log_samples=True,
        verbosity="ERROR",
    )  # fmt: skip
    names = [name_of(task) for task in tasks]

    return {
        name: scores_of(name, found["samples"][name], metrics_of(task))
        for name, task in zip(names, opened, strict=True)
    }


def lm_of(model: EvaluatedModel, loaded: Base, renderer: Renderer) -> Any:
    """One side as the harness's LM."""

    class Whetted(harness().api.model.LM):
        def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
            pairs = [pair_ids(loaded, *request.args) for request in requests]
            return likelihoods(model, pairs)

        def loglikelihood_rolling(self, requests: Sequence[Any]) -> list[float]:
            texts = [request.args[0] for request in requests]
            return [-nats for nats, _ in text_nll(model, texts, lambda text: _ids(loaded, text), loaded.context)]

        def generate_until(self, requests: Sequence[Any]) -> list[str]:
            return [generate_until(model, loaded, renderer, *request.args) for request in requests]

    return Whetted()


def _ids(loaded: Base, text: str) -> list[int]:
    """A text in tokens; an empty one is what every text begins with."""
    ids = loaded.tokenizer(text)["input_ids"]
    start = loaded.tokenizer.bos_token_id
    return ids or [loaded.tokenizer.eos_token_id if start is None else start]


def pair_ids(loaded: Base, context: str, continuation: str) -> tuple[list[int], list[int]]:
    """(context, continuation) in tokens, cut so that both are read as one text; the context loses its beginning where
    both do not fit. A space at the end of the context belongs to the continuation (lm-eval's own rule)."""
    bare = context.rstrip()
    whole = _ids(loaded, context + continuation)

    start = len(_ids(loaded, bare))
    if not bare or start >= len(whole):
        start, whole = 1, _ids(loaded, "")[:1] + loaded.tokenizer(continuation)["input_ids"]
    cut = max(0, len(whole) - loaded.context)

    return whole[cut:start], whole[max(start, cut) :]


@torch.no_grad()
def likelihoods(model: EvaluatedModel, pairs: Sequence[tuple[list[int], list[int]]]) -> list[tuple[float, bool]]:
    """(log p of the continuation in nats, whether greedy decoding would write it) of each pair."""
    segments = []
    for row, (context, rest) in enumerate(pairs):
        segments.append(Segment([*context, *rest], [0.0] * len(context) + [1.0] * len(rest), row))
    totals, greedy = [0.0] * len(pairs), [True] * len(pairs)
    with model.active():
        for batch in in_order(segments, READ_TOKENS):
            hidden_ND, head = model.policy.hidden(batch), model.policy.head
            target_N = batch.target_N.to(hidden_ND.device)
            first_N = torch.cat([head.logits(hidden_ND[rows]).argmax(-1) for rows in chunks(len(hidden_ND), head)])

            found = zip(
                token_logprobs(hidden_ND, head, target_N).tolist(), (first_N == target_N).tolist(),
                batch.segment_N.tolist(), strict=True,
            )  # fmt: skip
            for logprob, is_first, segment in found:
                totals[batch.rows[segment]] += logprob
                greedy[batch.rows[segment]] &= is_first

    return list(zip(totals, greedy, strict=True))


def generate_until(
    model: EvaluatedModel, loaded: Base, renderer: Renderer, context: str, wanted: dict[str, Any]
) -> str:
    """A greedy answer up to the first of the stop strings that the task names."""
    until = wanted.get("until") or []
    stops = tuple(stop for stop in ([until] if isinstance(until, str) else until) if stop)
    sampling = Sampling(max_new_tokens=int(wanted.get("max_gen_toks", LONGEST)), stop_strings=stops)

    prompt = _ids(loaded, context)[-(loaded.context - 1) :]
    with model.active():
        (answer,) = generate(
            causal_lm(model.policy.model), loaded.tokenizer, [prompt], renderer.stop_ids, sampling,
            context=loaded.context,
        )  # fmt: skip

    return answer.text
