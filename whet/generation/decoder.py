"""One batch of answers being written, token by token, with a key-value cache.

Prompts are left-padded by position; an answer leaves the batch as soon as it ends, so that a few long answers do not
hold up the rest. Shapes: B answers still alive, L longest prompt, V vocabulary.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from whet.generation.answers_in_progress import AnswersInProgress
from whet.generation.sampling import TokenSampler


class Decoder:
    """The given answers of a record, as one batch through transformers' own forward pass: right for every model."""

    def __init__(self, model: Any, record: AnswersInProgress, chooser: TokenSampler, answers: Sequence[int]) -> None:
        self.model, self.record, self.chooser = model, record, chooser
        self.device = next(model.parameters()).device
        self.live = list(answers)
        self.cache: Any = None
        self.clock = 0.0

    @property
    def alive(self) -> bool:
        return bool(self.live)

    def advance(self) -> list[tuple[int, float]]:
        """Write one token for every live answer: (answer, its seconds) that ended."""
        began = time.perf_counter()
        tokens, logprobs = self.chooser.choose(self.next_logits(), self.live)
        self.clock += (time.perf_counter() - began) / len(self.live)
        stays = [self.record.add(*written) for written in zip(self.live, tokens, logprobs, strict=True)]
        ended = [(answer, self.clock) for answer, stay in zip(self.live, stays, strict=True) if not stay]
        self._keep([place for place, stay in enumerate(stays) if stay])
        return ended

    @torch.no_grad()
    def next_logits(self) -> Tensor:
        """Logits (B, V) of the token after each answer's last."""
        if self.cache is None:
            return self._prefill()
        return self._continue()

    def _prefill(self) -> Tensor:
        prompts = [self.record.prompts[answer] for answer in self.live]
        longest = max(map(len, prompts))
        ids_BL = torch.zeros(len(prompts), longest, dtype=torch.long, device=self.device)

        self.mask = torch.zeros_like(ids_BL)
        for row, prompt in enumerate(prompts):
            ids_BL[row, longest - len(prompt) :] = torch.tensor(prompt, device=self.device)
            self.mask[row, longest - len(prompt) :] = 1

        positions = (self.mask.cumsum(-1) - 1).clamp_min(0)
        self.position = positions[:, -1:]
        self.cache = DynamicCache(config=self.model.config.get_text_config())
        return self._read(ids_BL, positions, logits_to_keep=1)

    def _continue(self) -> Tensor:
        last = torch.tensor([[self.record.ids[i][-1]] for i in self.live], device=self.device)
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

    def _keep(self, places: list[int]) -> None:
        if len(places) == len(self.live):
            return
        self.live = [self.live[place] for place in places]
        if not places:
            return
        rows = torch.tensor(places, device=self.device)
        self.mask, self.position = self.mask[rows], self.position[rows]
        self.cache.batch_select_indices(rows)
