"""Continuous batching: finished answers leave the batch, waiting prompts enter, and the batch stays full.

Prompts wait sorted, longest first and equal beginnings side by side, and enter several at a time, because reading one
short prompt costs nearly as much time as reading a few.
Shapes: V vocabulary.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from whet.errors import count
from whet.generation.answers_in_progress import AnswersInProgress
from whet.generation.decoder_layers import CachedDecoder
from whet.generation.kv_cache import SlotCache
from whet.generation.prefill import Prompt, shared_length
from whet.generation.sampling import TokenSampler
from whet.pulse import beat

ENTERING = 8
"""A prompt waits until this part of the slots is free (one in so many)."""
READ_AT_ONCE = 2048
"""Prompt tokens read in one forward pass; a longer prompt is read alone."""


@dataclass(slots=True)
class _Slot:
    """An answer in its slot."""

    answer: int
    entered: float
    """The shared clock when it entered."""


class ContinuousBatch:
    """Writes the given answers of a record. Iterate over `advance` until `alive` is empty."""

    def __init__(
        self,
        reader: CachedDecoder,
        record: AnswersInProgress,
        chooser: TokenSampler,
        answers: Sequence[int],
        adapted: Sequence[bool],
        slots: int,
    ) -> None:
        self.reader, self.record, self.chooser = reader, record, chooser
        self.adapter = [int(flag) for flag in adapted]
        """The number of each answer's adapter: 1 is the model's own, 0 its base."""
        prompts = record.prompts
        self.waiting = deque(sorted(answers, key=lambda i: (-len(prompts[i]), prompts[i], i)))
        capacity = max(len(prompts[i]) + record.limits[i] for i in answers)
        self.slots = min(slots, len(answers))
        self.cache: SlotCache = reader.cache(self.slots, capacity)
        self.live: list[_Slot] = []
        self.clock = 0.0
        """Seconds that an answer alive all the time has cost so far: each step's time is shared by those in it."""

    @property
    def alive(self) -> bool:
        return bool(self.live or self.waiting)

    def advance(self) -> list[tuple[int, float]]:
        """Write one token for every live answer, after letting waiting prompts in: (answer, its seconds) that ended."""
        ended = []
        while self.waiting and self._may_enter():
            began = time.perf_counter()
            entering = self._next_wave()
            beat(f"reading {count(len(entering), 'prompt')}")
            logits = self.reader.prefill([self._prompt(i) for i in entering], self.cache)
            first = len(self.live)
            self.live += [_Slot(i, self.clock) for i in entering]
            ended += self._write(logits, first, began)

        if self.live:
            began = time.perf_counter()
            last = [self.record.ids[live.answer][-1] for live in self.live]
            logits = self.reader.step(last, [self.adapter[live.answer] for live in self.live], self.cache)
            ended += self._write(logits, 0, began)

        return ended

    def _prompt(self, answer: int) -> Prompt:
        return Prompt(self.record.prompts[answer], self.adapter[answer])

    def _may_enter(self) -> bool:
        free = self.slots - len(self.live)
        if self.live:
            return free >= min(len(self.waiting), -(-self.slots // ENTERING))
        return True

    def _next_wave(self) -> list[int]:
        """Waiting prompts for the free slots, as many as are read in one pass."""
        wave: list[int] = []
        tokens = 0
        while self.waiting and len(self.live) + len(wave) < self.slots:
            ids = self.record.prompts[self.waiting[0]]
            tokens += len(ids) - (shared_length(self.record.prompts[wave[-1]], ids) if wave else 0)

            if wave and tokens > READ_AT_ONCE:
                break
            wave.append(self.waiting.popleft())

        return wave

    def _write(self, logits_BV: Tensor, first: int, began: float) -> list[tuple[int, float]]:
        """Choose and write a token for the live answers from place `first` on; those that ended leave their slots."""
        answers = [live.answer for live in self.live[first:]]
        tokens, logprobs = self.chooser.choose(logits_BV, answers)
        stays = [self.record.add(*written) for written in zip(answers, tokens, logprobs, strict=True)]
        self.clock += (time.perf_counter() - began) / len(answers)

        ended = []
        for place in reversed(range(first, len(self.live))):
            if stays[place - first]:
                continue

            leaving = self.live[place]
            ended.append((leaving.answer, self.clock - leaving.entered))
            self.chooser.forget(leaving.answer)
            self.live[place] = self.live[self.cache.release(place)]
            self.live.pop()

        return ended
