"""The one engine that writes text: evaluation, chat and (later) rollouts and serving use it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

from whet.errors import InputError, count
from whet.generation.answers_in_progress import AnswersInProgress
from whet.generation.continuous_batching import ContinuousBatch
from whet.generation.decoder import Decoder
from whet.generation.decoding_proof import adapters_off, fast_reader, has_adapter, prove_decoding
from whet.generation.joined_linears import room_for_copy
from whet.generation.sampling import Sampling, TokenSampler
from whet.model.policy import evaluating
from whet.model.quantised.nf4 import quantised_linears
from whet.observer import Count
from whet.pulse import beat
from whet.types import Completion

MOST_SLOTS = 128
"""Answers written at once at most: beyond it, a processor gains nothing."""
FULL = 32
"""Slots that fill a processor: prompts of unlike lengths share a cache as long as so many fit into it."""
COPY_STEPS = 16
"""From so many steps on, laying the weights out anew costs less than it gains."""

__all__ = ["Sampling", "generate", "stream"]


def generate(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[list[int]],
    stop_ids: frozenset[int],
    sampling: Sampling = Sampling(),
    batch_tokens: int = 16_384,
    context: int | None = None,
    progress: Count | None = None,
    samples: int = 1,
    adapters: Sequence[bool] | None = None,
) -> list[Completion]:
    """`samples` answers a prompt, in the order of the prompts. A batch holds at most `batch_tokens` tokens.

    `adapters` says for each prompt whether the model's adapter reads and answers it, or its base does.
    Log-probabilities are the model's own, before temperature and top_p. Raises InputError for an empty prompt, one that
    leaves no room for an answer in the context, and adapters that the model has not; ModelError for a model that cannot
    write batches.
    """
    _refuse_unusable(prompts, context)
    on = _switches(model, prompts, samples, adapters)
    given = []
    for prompt in prompts:
        for _ in range(samples):
            given.append(prompt)
    record = AnswersInProgress(tokenizer, given, stop_ids, sampling, context)
    chooser = TokenSampler(sampling, range(len(given)))

    answers: dict[int, Completion] = {}
    with evaluating(model):
        for writer, switch in _writers(model, record, chooser, on, batch_tokens):
            with switch():
                while writer.alive:
                    ended = writer.advance()
                    answers |= {index: record.answer(index, seconds) for index, seconds in ended}
                    beat(f"{len(answers):,} of {count(len(given), 'answer')} written, {count(record.tokens, 'token')}")

                    if progress and ended:
                        progress(len(answers))

    return [answers[index] for index in range(len(given))]


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
    record = AnswersInProgress(tokenizer, [prompt], stop_ids, sampling, context)
    with evaluating(model):
        ((writer, _),) = _writers(model, record, TokenSampler(sampling, [0]), [True], 1)
        written = ""
        while writer.alive:
            writer.advance()
            text = record.text(0)

            if writer.alive:
                text = record.settled_text(text)
            if text.endswith("\ufffd") and writer.alive:
                continue

            yield text[len(written) :]
            written = text


Switch = Callable[[], Any]


def _writers(
    model: Any, record: AnswersInProgress, chooser: TokenSampler, on: list[bool], batch_tokens: int
) -> Iterator[tuple[ContinuousBatch | Decoder, Switch]]:
    """What writes all answers of the record, part by part, and the adapter's state that each part needs."""
    order = sorted(range(len(on)), key=lambda i: len(record.prompts[i]))
    if not order:
        return

    reader = fast_reader(model, _copies(model, record))
    if reader is not None:
        for group, slots in _caches(order, record, batch_tokens):
            yield ContinuousBatch(reader, record, chooser, group, on, slots), nullcontext
        return

    prove_decoding(model)
    for flag in (True, False):
        switch: Switch = nullcontext if flag else lambda: adapters_off(model)
        for group in _groups([i for i in order if on[i] == flag], record, batch_tokens):
            yield Decoder(model, record, chooser, group), switch


def _copies(model: Any, record: AnswersInProgress) -> bool:
    """Is it worth it, and is there room, to lay the weights out anew for this call? Never in full for a 4-bit base."""
    if quantised_linears(model):
        return False
    size = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    steps = max(record.limits) * -(-len(record.prompts) // MOST_SLOTS)
    return steps >= COPY_STEPS and room_for_copy(size)


def _caches(order: list[int], record: AnswersInProgress, batch_tokens: int) -> Iterator[tuple[list[int], int]]:
    """Answers that share a cache, and its slots: all of them if enough fit, else those of like length."""
    rest = sorted(order, key=lambda i: -_need(record, i))
    while rest:
        capacity = _need(record, rest[0])
        slots = max(1, min(batch_tokens // capacity, MOST_SLOTS))

        enough = slots >= min(len(rest), FULL)
        if enough:
            group = rest
        else:
            group = [i for i in rest if 2 * _need(record, i) > capacity]

        yield group, slots
        rest = rest[len(group) :]


def _need(record: AnswersInProgress, answer: int) -> int:
    return len(record.prompts[answer]) + record.limits[answer]


def _groups(order: list[int], record: AnswersInProgress, batch_tokens: int) -> Iterator[list[int]]:
    """Cut the length-sorted order so that prompts and answers of a batch stay within `batch_tokens`."""
    group: list[int] = []
    for index in order:
        if group and (len(group) + 1) * _need(record, index) > batch_tokens:
            yield group
            group = []
        group.append(index)

    if group:
        yield group


def _switches(model: Any, prompts: Sequence[list[int]], samples: int, adapters: Sequence[bool] | None) -> list[bool]:
    """For each answer: does the adapter write it? All True where nothing was asked for."""
    if samples < 1:
        raise InputError("at least one answer a prompt must be asked for", where="samples", value=samples)
    if adapters is None:
        return [True] * (len(prompts) * samples)
    if len(adapters) != len(prompts):
        raise InputError(f"there are {len(prompts)} prompts", where="adapters", value=f"{len(adapters)} of them")
    if any(adapters) and not has_adapter(model):
        raise InputError("the model has no adapter that is switched on", where="adapters", fix="leave it out")
    return [bool(flag) for flag in adapters for _ in range(samples)]


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
