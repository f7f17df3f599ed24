"""Which prompts make a step of rollouts: a pure function of their number, the seed and the rollout."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from whet.data.batches.forest import build_batch
from whet.data.batches.loader import plan_epoch
from whet.data.batches.segment_files import layout
from whet.types import Batch, Segment

READ_TOKENS = 4096
"""Tokens of prompts that stand for a first batch."""


class PromptLoader:
    """Serves prompts, and, to prove the way through the model and the memory, batches that look like a step's."""

    def __init__(
        self, segments: Sequence[Segment], prompts: int, max_new_tokens: int, micro_batch_tokens: int, seed: int
    ) -> None:
        if not segments:
            raise ValueError("a loader needs at least one prompt")
        self.segments, self.count, self.seed = segments, prompts, seed
        self.max_new_tokens, self.micro_batch_tokens = max_new_tokens, micro_batch_tokens
        self._plan = lru_cache(maxsize=2)(self._plan_uncached)
        self.rollouts_per_epoch = len(self._plan(0))

    def _plan_uncached(self, epoch: int) -> list[np.ndarray]:
        return plan_epoch(np.ones(len(self.segments), dtype=np.int64), self.count, self.seed, epoch)

    def prompts(self, rollout: int) -> list[Segment]:
        """The prompts of rollout `rollout` (from 0, over all epochs)."""
        epoch, number = divmod(rollout, self.rollouts_per_epoch)
        return [self.segments[place] for place in self._plan(epoch)[number].tolist()]

    def step(self, step: int) -> list[Batch]:
        """Prompts of a rollout read as texts: no answers exist before the model has written them."""
        chosen: list[Segment] = []
        room = READ_TOKENS
        for prompt in self.prompts(step):
            room -= len(prompt.ids)
            if chosen and room < 0:
                break
            chosen.append(Segment(prompt.ids, [0.0] + [1.0] * (len(prompt.ids) - 1), prompt.row))

        return [build_batch(chosen)]

    def largest(self) -> Batch:
        """The longest prompt with as many longest answers as share a micro-batch with it, at least one."""
        lengths, _ = layout(self.segments)
        prompt = self.segments[int(np.argmax(lengths))]
        answers = max(1, (self.micro_batch_tokens - len(prompt.ids)) // self.max_new_tokens)
        ids = (prompt.ids * (self.max_new_tokens // len(prompt.ids) + 1))[: self.max_new_tokens]
        children = [Segment(ids, [1.0] * len(ids), prompt.row, 0) for _ in range(answers)]
        return build_batch([prompt, *children])
