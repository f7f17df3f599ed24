"""Rows to optimiser steps: which rows make a step is a pure function of lengths, seed and epoch.

So a resumed run needs nothing but the step number to go on with exactly the batches it would have had.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from whet.data.batches.forest import build_batch, select_trees
from whet.data.batches.segment_files import layout
from whet.types import Batch, Segment


def plan_epoch(lengths: Sequence[int] | np.ndarray, batch_tokens: int, seed: int, epoch: int) -> list[np.ndarray]:
    """Shuffle the rows, then cut them into steps of about `batch_tokens` tokens.

    Every row occurs exactly once. A row of at least `batch_tokens` tokens is a step of its own; the others share
    ceil(their tokens / batch_tokens) steps of nearly equal size, so that no epoch ends in a small, noisy step.
    The number of steps is the same in every epoch.
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(lengths))
    length_R = np.asarray(lengths, dtype=np.int64)
    long = order[length_R[order] >= batch_tokens]
    alone = [long[at : at + 1] for at in range(len(long))]
    shared = order[length_R[order] < batch_tokens]
    steps = alone + _cut_evenly(shared, length_R[shared], batch_tokens)

    return [steps[number] for number in rng.permutation(len(steps))]


def _cut_evenly(rows: np.ndarray, length_R: np.ndarray, batch_tokens: int) -> list[np.ndarray]:
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

    return [rows[low:high] for low, high in zip(cuts, cuts[1:], strict=False)]


def fill(order: Iterable[int], lengths: Sequence[int] | np.ndarray, budget: int) -> list[list[int]]:
    """Cut `order` into runs of at most `budget` tokens; something longer is a run of its own."""
    runs: list[list[int]] = []
    room = 0
    for item in order:
        length = int(lengths[item])
        if not runs or length > room:
            runs.append([])
            room = budget

        runs[-1].append(item)
        room -= length

    return runs


class TreeIndex:
    """Segments grouped by tree, G trees, in the order of their roots: numbers only, no segment is read. With
    `per_tree` a batch weighs as much as it has trees, else what its tokens weigh."""

    def __init__(self, segments: Sequence[Segment], per_tree: bool = False) -> None:
        self._segments, self._per_tree = segments, per_tree
        length_S, parent_S = layout(segments)
        self._order_S: np.ndarray | None = None
        self.lengths = length_S
        """Tokens of each tree."""

        if (parent_S >= 0).any():
            root_S = np.where(parent_S < 0, np.arange(len(parent_S)), parent_S)
            while (root_S != (higher_S := root_S[root_S])).any():
                root_S = higher_S
            self._order_S = np.argsort(root_S, kind="stable")
            _, self._begin_G, number_S = np.unique(root_S[self._order_S], return_index=True, return_inverse=True)
            self.lengths = np.bincount(number_S, weights=length_S[self._order_S]).astype(np.int64)

    def batch(self, trees: Iterable[int]) -> Batch:
        """The batch of these trees."""
        members = [self._members(tree) for tree in trees]
        batch = build_batch(select_trees(self._segments, members))
        if self._per_tree:
            return replace(batch, weight=float(len(members)))
        return batch

    def longest_first(self, trees: np.ndarray) -> list[int]:
        """Trees by length, ties by number."""
        return trees[np.lexsort((trees, -self.lengths[trees].astype(np.int64)))].tolist()

    def _members(self, tree: int) -> list[int]:
        if self._order_S is None:
            return [tree]
        if tree + 1 < len(self._begin_G):
            end = self._begin_G[tree + 1]
        else:
            end = len(self._order_S)
        return self._order_S[self._begin_G[tree] : end].tolist()


class Loader:
    """Serves the micro-batches of any step. Segments of one tree always travel together."""

    def __init__(
        self,
        segments: Sequence[Segment],
        batch_tokens: int,
        micro_batch_tokens: int,
        seed: int,
        per_tree: bool = False,
    ) -> None:
        if not segments:
            raise ValueError("a loader needs at least one segment")
        self.batch_tokens, self.micro_batch_tokens, self.seed = batch_tokens, micro_batch_tokens, seed
        self.forest = TreeIndex(segments, per_tree)
        self._plan = lru_cache(maxsize=2)(self._plan_uncached)
        self.steps_per_epoch = len(self._plan(0))

    def _plan_uncached(self, epoch: int) -> list[np.ndarray]:
        return plan_epoch(self.forest.lengths, self.batch_tokens, self.seed, epoch)

    def largest(self) -> Batch:
        """The longest rows together, and shorter ones while there is room: what takes most memory in any epoch."""
        lengths = self.forest.lengths
        order = self.forest.longest_first(np.arange(len(lengths)))

        room, chosen = min(self.micro_batch_tokens, self.batch_tokens + int(lengths[order[0]])), []
        for tree in order:
            if not chosen or lengths[tree] <= room:
                chosen.append(tree)
                room -= int(lengths[tree])

            if room < 2:
                break

        return self.forest.batch(chosen)

    def step(self, step: int) -> list[Batch]:
        """The micro-batches of optimiser step `step` (from 0, over all epochs), rows of similar length together."""
        epoch, number = divmod(step, self.steps_per_epoch)
        order = self.forest.longest_first(self._plan(epoch)[number])
        return [self.forest.batch(run) for run in fill(order, self.forest.lengths, self.micro_batch_tokens)]


def in_order(segments: Sequence[Segment], micro_batch_tokens: int, per_tree: bool = False) -> Iterator[Batch]:
    """Every segment exactly once, longest first: for validation and evaluation. Sums do not depend on the cut."""
    forest = TreeIndex(segments, per_tree)
    order = forest.longest_first(np.arange(len(forest.lengths)))
    for run in fill(order, forest.lengths, micro_batch_tokens):
        yield forest.batch(run)
