"""One batch of answers being written, token by token, with a key-value cache.

Prompts are left-padded by position; an answer leaves the batch as soon as it ends, so that a few long answers do not
hold up the rest. Shapes: B answers still alive, L longest prompt, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from whet.errors import InputError


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen. Temperature 0 is greedy. Raises InputError for numbers that mean nothing."""

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise InputError("at least one token must be asked for", where="max_new_tokens", value=self.max_new_tokens)
        if not 0 <= self.temperature < float("inf"):
            raise InputError("it must be 0 (greedy) or more", where="temperature", value=self.temperature)
        if not 0 < self.top_p <= 1:
            raise InputError("it must be above 0 and at most 1", where="top_p", value=self.top_p)


class Decoder:
    """The state of the batch. `streams[i]` names the random stream of answer i, whatever batch it is written in."""

    def __init__(
        self,
        model: Any,
        prompts: list[list[int]],
        stop_ids: frozenset[int],
        sampling: Sampling,
        context: int | None,
        streams: Sequence[int],
    ) -> None:
        self.model, self.sampling, self.prompts = model, sampling, prompts
        self.device = next(model.parameters()).device
        self.stop = torch.tensor(sorted(stop_ids), dtype=torch.long, device=self.device)
        self.limits = [min(sampling.max_new_tokens, (context or 1 << 30) - len(p)) for p in prompts]
        self.ids: list[list[int]] = [[] for _ in prompts]
        self.logprobs: list[list[float]] = [[] for _ in prompts]
        self.finished = [False] * len(prompts)
        self.alive = list(range(len(prompts)))
        self.generators = [torch.Generator(self.device).manual_seed(sampling.seed * 1_000_003 + s) for s in streams]
        self.cache: Any = None

    def run(self) -> Iterator[tuple[list[int], list[float], bool]]:
        """Write all answers to their ends: ids and log-probabilities without the stop token, and whether one came."""
        while self.alive:
            self.advance()
        for index, finished in enumerate(self.finished):
            kept = self.kept(index)
            yield kept, self.logprobs[index][: len(kept)], finished

    def kept(self, index: int) -> list[int]:
        """The answer without its stop token."""
        return self.ids[index][:-1] if self.finished[index] else self.ids[index]

    def advance(self) -> None:
        """Write one token for every answer still alive."""
        logprobs_BV = self.next_logits().float().log_softmax(-1)
        chosen_B = self._choose(logprobs_BV)
        picked_B = logprobs_BV.gather(1, chosen_B[:, None]).squeeze(1).tolist()
        stopped_B = torch.isin(chosen_B, self.stop).tolist()
        staying = []
        for place, (index, token) in enumerate(zip(self.alive, chosen_B.tolist(), strict=True)):
            self.ids[index].append(token)
            self.logprobs[index].append(picked_B[place])
            self.finished[index] = stopped_B[place]
            if not stopped_B[place] and len(self.ids[index]) < self.limits[index]:
                staying.append(place)
        self._keep(staying)

    @torch.no_grad()
    def next_logits(self) -> Tensor:
        """Logits (B, V) of the token after each answer's last."""
        return self._prefill() if self.cache is None else self._continue()

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
        return self._read(ids_BL, positions, logits_to_keep=1)

    def _continue(self) -> Tensor:
        last = torch.tensor([[self.ids[i][-1]] for i in self.alive], device=self.device)
        self.mask = torch.cat([self.mask, torch.ones_like(self.mask[:, :1])], dim=1)
        self.position = self.position + 1
        return self._read(last, self.position)

    def _read(self, ids: Tensor, positions: Tensor, **extra: int) -> Tensor:
        out = self.model(
            input_ids=ids,
            attention_mask=self.mask,
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=True,
            **extra,
        )
        return out.logits[:, -1]

    def _choose(self, logprobs_BV: Tensor) -> Tensor:
        if self.sampling.temperature == 0:
            return logprobs_BV.argmax(-1)
        probabilities = (logprobs_BV / self.sampling.temperature).softmax(-1)
        if self.sampling.top_p < 1:
            probabilities = nucleus(probabilities, self.sampling.top_p)
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


def nucleus(probabilities_BV: Tensor, top_p: float) -> Tensor:
    """Zero everything outside the smallest set of tokens that holds `top_p` (Holtzman et al. 2020, section 3.1)."""
    sorted_BV, order_BV = probabilities_BV.sort(-1, descending=True)
    outside = sorted_BV.cumsum(-1) - sorted_BV >= top_p
    return torch.zeros_like(probabilities_BV).scatter(1, order_BV, sorted_BV.masked_fill(outside, 0.0))
