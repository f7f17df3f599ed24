"""The one engine that writes text: evaluation, chat and (later) rollouts and serving use it.

Batched decoding with a key-value cache. Prompts are left-padded by position, answers leave the batch as soon as
they end, so a few long answers do not hold up the rest. Shapes: B prompts in a batch, L longest prompt, V vocabulary.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from whet.errors import InputError
from whet.types import Answer


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen. Temperature 0 is greedy."""

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0


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

    Raises InputError for an empty prompt or one that leaves no room for an answer in the context.
    """
    _refuse_unusable(prompts, context)
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    answers: dict[int, Answer] = {}
    for group in _groups(order, prompts, sampling.max_new_tokens, batch_tokens):
        began = time.perf_counter()
        batch = _Decoder(model, [prompts[i] for i in group], stop_ids, sampling, context, group)
        for index, (token_ids, logprobs, finished) in zip(group, batch.run(), strict=True):
            answers[index] = Answer(token_ids, "", finished, logprobs, len(prompts[index]))
        seconds = (time.perf_counter() - began) / len(group)
        for index in group:
            answers[index].seconds = seconds
            answers[index].text = tokenizer.decode(answers[index].ids, skip_special_tokens=True)
        if progress:
            progress(len(answers))
    return [answers[i] for i in range(len(prompts))]


def stream(
    model: Any, tokenizer: Any, prompt: list[int], stop_ids: frozenset[int], sampling: Sampling, context: int | None = None
) -> Iterator[str]:
    """Text of one answer, piece by piece; a piece never ends inside a character."""
    _refuse_unusable([prompt], context)
    decoder = _Decoder(model, [prompt], stop_ids, sampling, context, [0])
    written = ""
    while decoder.alive:
        decoder.advance()
        text = tokenizer.decode(decoder.kept(0), skip_special_tokens=True)
        if text.endswith("\ufffd"):
            continue
        yield text[len(written) :]
        written = text


class _Decoder:
    """The state of one batch of answers being written."""

    def __init__(
        self,
        model: Any,
        prompts: list[list[int]],
        stop_ids: frozenset[int],
        sampling: Sampling,
        context: int | None,
        seeds: Sequence[int],
    ) -> None:
        self.model, self.sampling, self.prompts = model, sampling, prompts
        self.device = next(model.parameters()).device
        self.stop = torch.tensor(sorted(stop_ids), device=self.device)
        self.limits = [min(sampling.max_new_tokens, (context or 1 << 30) - len(p)) for p in prompts]
        self.ids: list[list[int]] = [[] for _ in prompts]
        self.logprobs: list[list[float]] = [[] for _ in prompts]
        self.finished = [False] * len(prompts)
        self.alive = list(range(len(prompts)))
        self.generators = [torch.Generator(self.device).manual_seed(sampling.seed * 1_000_003 + s) for s in seeds]
        self.cache: Any = None

    def run(self) -> Iterator[tuple[list[int], list[float], bool]]:
        while self.alive:
            self.advance()
        yield from ((self.kept(i), self.logprobs[i][: len(self.kept(i))], self.finished[i]) for i in range(len(self.ids)))

    def kept(self, index: int) -> list[int]:
        """The answer without its stop token."""
        return self.ids[index][:-1] if self.finished[index] else self.ids[index]

    @torch.no_grad()
    def advance(self) -> None:
        """Write one token for every answer still alive."""
        logits_BV = self._prefill() if self.cache is None else self._continue()
        logprobs_BV = logits_BV.float().log_softmax(-1)
        chosen_B = self._choose(logprobs_BV)
        picked_B = logprobs_BV.gather(1, chosen_B[:, None]).squeeze(1).tolist()
        stopped_B = torch.isin(chosen_B, self.stop).tolist()
        staying = []
        for place, index in enumerate(self.alive):
            self.ids[index].append(int(chosen_B[place]))
            self.logprobs[index].append(picked_B[place])
            self.finished[index] = stopped_B[place]
            if not stopped_B[place] and len(self.ids[index]) < self.limits[index]:
                staying.append(place)
        self._keep(staying)

    def _prefill(self) -> Tensor:
        longest = max(len(p) for p in self.prompts)
        ids_BL = torch.zeros(len(self.prompts), longest, dtype=torch.long, device=self.device)
        self.mask = torch.zeros_like(ids_BL)
        for row, prompt in enumerate(self.prompts):
            ids_BL[row, longest - len(prompt) :] = torch.tensor(prompt, device=self.device)
            self.mask[row, longest - len(prompt) :] = 1
        positions = (self.mask.cumsum(-1) - 1).clamp_min(0)
        self.position = positions[:, -1:]
        self.cache = DynamicCache(config=self.model.config.get_text_config())
        out = self.model(
            input_ids=ids_BL,
            attention_mask=self.mask,
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return out.logits[:, -1]

    def _continue(self) -> Tensor:
        last = torch.tensor([[self.ids[i][-1]] for i in self.alive], device=self.device)
        self.mask = torch.cat([self.mask, torch.ones_like(self.mask[:, :1])], dim=1)
        self.position = self.position + 1
        out = self.model(
            input_ids=last,
            attention_mask=self.mask,
            position_ids=self.position,
            past_key_values=self.cache,
            use_cache=True,
        )
        return out.logits[:, -1]

    def _choose(self, logprobs_BV: Tensor) -> Tensor:
        if self.sampling.temperature == 0:
            return logprobs_BV.argmax(-1)
        probabilities = (logprobs_BV / self.sampling.temperature).softmax(-1)
        if self.sampling.top_p < 1:
            probabilities = _nucleus(probabilities, self.sampling.top_p)
        draws = [
            torch.multinomial(row, 1, generator=self.generators[index])
            for row, index in zip(probabilities, self.alive, strict=True)
        ]
        return torch.cat(draws)

    def _keep(self, places: list[int]) -> None:
        if len(places) == len(self.alive):
            return
        self.alive = [self.alive[place] for place in places]
        if not places:
            return
        rows = torch.tensor(places, device=self.device)
        self.mask, self.position = self.mask[rows], self.position[rows]
        self.cache.batch_select_indices(rows)


def _nucleus(probabilities_BV: Tensor, top_p: float) -> Tensor:
    """Zero everything outside the smallest set of tokens that holds `top_p` (Holtzman et al. 2020)."""
    sorted_BV, order_BV = probabilities_BV.sort(-1, descending=True)
    outside = sorted_BV.cumsum(-1) - sorted_BV >= top_p
    return torch.zeros_like(probabilities_BV).scatter(1, order_BV, sorted_BV.masked_fill(outside, 0.0))


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
