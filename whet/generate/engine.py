"""The one engine that writes text: evaluation, chat and (later) rollouts and serving use it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from whet.errors import InputError
from whet.generate.decoder import Decoder, Sampling
from whet.generate.proof import prove_decoding
from whet.types import Answer


def generate(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[list[int]],
    stop_ids: frozenset[int],
    sampling: Sampling = Sampling(),
    batch_tokens: int = 16_384,
    context: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[Answer]:
    """One answer a prompt, in the order of the prompts. A batch holds prompts of similar length.

    Log-probabilities are the model's own, before temperature and top_p. Raises InputError for an empty prompt or one
    that leaves no room for an answer in the context, ModelError for a model that cannot write batches with a cache.
    """
    _refuse_unusable(prompts, context)
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    answers: dict[int, Answer] = {}
    with _evaluating(model):
        prove_decoding(model)
        for group in _groups(order, prompts, sampling.max_new_tokens, batch_tokens):
            began = time.perf_counter()
            batch = Decoder(model, [prompts[i] for i in group], stop_ids, sampling, context, group)
            for index, (token_ids, logprobs, finished) in zip(group, batch.run(), strict=True):
                text = tokenizer.decode(token_ids, skip_special_tokens=True)
                answers[index] = Answer(token_ids, text, finished, logprobs, len(prompts[index]))
            seconds = (time.perf_counter() - began) / len(group)
            for index in group:
                answers[index].seconds = seconds
            if progress:
                progress(len(answers))
    return [answers[i] for i in range(len(prompts))]


def stream(
    model: Any,
    tokenizer: Any,
    prompt: list[int],
    stop_ids: frozenset[int],
    sampling: Sampling,
    context: int | None = None,
) -> Iterator[str]:
    """Text of one answer, piece by piece; a piece never ends inside a character. Raises as `generate` does."""
    _refuse_unusable([prompt], context)
    with _evaluating(model):
        prove_decoding(model)
        decoder = Decoder(model, [prompt], stop_ids, sampling, context, [0])
        written = ""
        while decoder.alive:
            decoder.advance()
            text = tokenizer.decode(decoder.kept(0), skip_special_tokens=True)
            if text.endswith("\ufffd") and decoder.alive:
                continue
            yield text[len(written) :]
            written = text


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """Without dropout, whatever state the caller left the model in."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def _groups(
    order: list[int], prompts: Sequence[list[int]], new_tokens: int, batch_tokens: int
) -> Iterator[list[int]]:
    """Cut the length-sorted order so that prompts and answers of a batch stay within `batch_tokens`."""
    group: list[int] = []
    for index in order:
        if group and (len(group) + 1) * (len(prompts[index]) + new_tokens) > batch_tokens:
            yield group
            group = []
        group.append(index)
    if group:
        yield group


def _refuse_unusable(prompts: Sequence[list[int]], context: int | None) -> None:
    for number, prompt in enumerate(prompts):
        if not prompt:
            raise InputError("the prompt is empty", where=f"prompt {number}", fix="give at least one token")
        if context is not None and len(prompt) >= context:
            raise InputError(
                f"the prompt has {len(prompt)} tokens and the model sees {context}, so there is no room for an answer",
                where=f"prompt {number}",
                fix="shorten it",
            )
