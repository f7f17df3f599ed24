"""Rows to optimiser steps: which rows make a step is a pure function of lengths, seed and epoch.

So a resumed run needs nothing but the step number to go on with exactly the batches it would have had.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from whet.data.forest import build_batch, pick, trees
from whet.types import Batch, Segment


def plan_epoch(lengths: Sequence[int], batch_tokens: int, seed: int, epoch: int) -> list[list[int]]:
    """Shuffle the rows, then cut them into steps of about `batch_tokens` tokens.

    Every row occurs exactly once. A row of at least `batch_tokens` tokens is a step of its own; the others share
    ceil(their tokens / batch_tokens) steps of nearly equal size, so that no epoch ends in a small, noisy step.
    The number of steps is the same in every epoch.
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(lengths))
    length_R = np.asarray(lengths, dtype=np.int64)
    alone = [[int(row)] for row in order if length_R[row] >= batch_tokens]
    shared = order[length_R[order] < batch_tokens]
    steps = alone + _cut_evenly(shared, length_R[shared], batch_tokens)
    return [steps[number] for number in rng.permutation(len(steps))]


def _cut_evenly(rows: np.ndarray, length_R: np.ndarray, batch_tokens: int) -> list[list[int]]:
    if not len(rows):
        return []
    total = int(length_R.sum())
    count = -(-total // batch_tokens)
    middle_R = np.cumsum(length_R) - length_R / 2
    wanted = np.searchsorted(middle_R, np.arange(1, count) * total / count)
    cuts = [0]
    for number, cut in enumerate(wanted, start=1):  # at least one row each; count <= rows, as each row is shorter
        cuts.append(int(min(max(cut, cuts[-1] + 1), len(rows) - (count - number))))
    cuts.append(len(rows))
    return [rows[low:high].tolist() for low, high in zip(cuts, cuts[1:], strict=False)]


def fill(order: Sequence[int], lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Cut `order` into runs of at most `budget` tokens; something longer is a run of its own."""
    runs: list[list[int]] = []
    room = 0
    for item in order:
        if not runs or lengths[item] > room:
            runs.append([])
            room = budget
        runs[-1].append(item)
        room -= lengths[item]
    return runs


class Loader:
    """Serves the micro-batches of any step. Segments of one tree always travel together."""

    def __init__(self, segments: Sequence[Segment], batch_tokens: int, micro_batch_tokens: int, seed: int) -> None:
        if not segments:
            raise ValueError("a loader needs at least one segment")
        self.segments = segments
        self.batch_tokens, self.micro_batch_tokens, self.seed = batch_tokens, micro_batch_tokens, seed
        self.groups = trees(segments)
        self.lengths = [sum(len(segments[number].ids) for number in group) for group in self.groups]
        self._plan = lru_cache(maxsize=2)(self._plan_uncached)
        self.steps_per_epoch = len(self._plan(0))

    def _plan_uncached(self, epoch: int) -> list[list[int]]:
        return plan_epoch(self.lengths, self.batch_tokens, self.seed, epoch)

    def step(self, step: int) -> list[Batch]:
        """The micro-batches of optimiser step `step` (from 0, over all epochs), rows of similar length together."""
        epoch, number = divmod(step, self.steps_per_epoch)
        order = sorted(self._plan(epoch)[number], key=lambda group: (-self.lengths[group], group))
        return [self._build(run) for run in fill(order, self.lengths, self.micro_batch_tokens)]

    def _build(self, run: Sequence[int]) -> Batch:
        return build_batch(pick(self.segments, [self.groups[group] for group in run]))


def in_order(segments: Sequence[Segment], micro_batch_tokens: int) -> Iterator[Batch]:
    """Every segment exactly once, longest first: for validation and evaluation. Sums do not depend on the cut."""
    groups = trees(segments)
    lengths = [sum(len(segments[number].ids) for number in group) for group in groups]
    order = sorted(range(len(groups)), key=lambda group: (-lengths[group], group))
    for run in fill(order, lengths, micro_batch_tokens):
        yield build_batch(pick(segments, [groups[group] for group in run]))
