"""Trees that begin alike are read once: a system prompt costs once a group of rows, and not once a row.

A token sees its own path alone, so a beginning that several trees share has the same hidden states in each of them, and
their gradients meet in the one that is kept: the same numbers for fewer tokens. Tokens are still counted as if each row
brought its own.
Shapes: T tokens of the batch, N supervised tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, chain

import torch

from whet.data.batches.forest import trees_of
from whet.types import Batch

LEAST_SHARED = 8
"""Tokens that are worth a seam."""
LONGEST, TIMES_SHARED = 256, 2
"""Tokens of a tree that is put together, or so many times what is shared: attention within it grows with its square."""
LEAST_SAVED = 0.1
"""Share of a group's tokens that must be saved: attention over several rows costs more than over each alone."""
KEPT_SHARED = 0.75
"""A tree that would leave less than this of what a group shares begins a group of its own."""


def fold(batch: Batch) -> Batch:
    """The batch with shared beginnings of its trees laid out once; its supervised tokens keep their order.

    The batch itself where nothing is worth it. `weight_N`, `target_N` and `weight` are the batch's own.
    """
    ids = batch.ids_T.tolist()
    members = trees_of(batch.parents)
    roots: list[list[int]] = []
    sizes: list[int] = []
    for tree in members:
        start = batch.starts[tree[0]]
        roots.append(ids[start : start + batch.lengths[tree[0]]])
        sizes.append(sum(batch.lengths[segment] for segment in tree))

    groups = _groups(roots, sizes)
    if not any(shared for _, shared in groups):
        return batch

    chosen = []
    for trees, shared in groups:
        chosen.append(([members[tree] for tree in trees], shared))
    return _lay_out(batch, chosen)


def _groups(roots: list[list[int]], sizes: Sequence[int]) -> list[tuple[list[int], int]]:
    """Trees that are put together, each with the number of tokens that they share; 0 where nothing is saved."""
    order = sorted(range(len(roots)), key=lambda tree: (roots[tree], tree))  # the longest beginnings side by side
    groups: list[tuple[list[int], int]] = []

    group, shared = [order[0]], len(roots[order[0]]) - 1
    for tree in order[1:]:
        common = min(shared, _common(roots[group[0]], roots[tree]))
        size = common + sum(sizes[member] - common for member in [*group, tree])

        alike = common >= LEAST_SHARED and (len(group) == 1 or common >= KEPT_SHARED * shared)
        if alike and size <= max(LONGEST, TIMES_SHARED * common):
            group, shared = [*group, tree], common
        else:
            groups.append((group, shared if _saves(group, shared, sizes) else 0))
            group, shared = [tree], len(roots[tree]) - 1

    groups.append((group, shared if _saves(group, shared, sizes) else 0))
    return groups


def _common(first: list[int], second: list[int]) -> int:
    """Tokens that both begin with; each keeps its last one to itself, so that no segment is empty."""
    most = min(len(first), len(second)) - 1
    return next((place for place in range(most) if first[place] != second[place]), most)


def _saves(group: list[int], shared: int, sizes: Sequence[int]) -> bool:
    saved = (len(group) - 1) * shared
    return saved >= LEAST_SAVED * sum(sizes[tree] for tree in group) and saved > 0


def _lay_out(batch: Batch, groups: list[tuple[list[list[int]], int]]) -> Batch:
    """The same trees, of each group the first `shared` tokens as a root of their own."""
    index: list[int] = []  # where each new token stood
    place_T = torch.zeros(len(batch.ids_T), dtype=torch.long)
    lengths: list[int] = []
    parents: list[int | None] = []
    rows: list[int] = []
    number_of: dict[int, int] = {}

    def add(start: int, length: int, parent: int | None, row: int) -> int:
        place_T[start : start + length] = torch.arange(len(index), len(index) + length)
        index.extend(range(start, start + length))
        lengths.append(length)
        parents.append(parent)
        rows.append(row)
        return len(lengths) - 1

    for trees, shared in groups:
        first, root = trees[0][0], None
        if shared:
            root = add(batch.starts[first], shared, None, batch.rows[first])

        for segment in chain.from_iterable(trees):
            start, above = batch.starts[segment], batch.parents[segment]
            if above is None:
                parent, cut = root, shared
            else:
                parent, cut = number_of[above], 0

            place_T[start : start + cut] = place_T[batch.starts[first] :][:cut]
            number_of[segment] = add(start + cut, batch.lengths[segment] - cut, parent, batch.rows[segment])

    index_T = torch.tensor(index, dtype=torch.long)
    numbers_S = torch.tensor([number_of[segment] for segment in range(len(batch.lengths))], dtype=torch.long)
    return replace(
        batch,
        ids_T=batch.ids_T[index_T],
        positions_T=batch.positions_T[index_T],
        starts=list(accumulate(lengths[:-1], initial=0)),
        lengths=lengths,
        parents=parents,
        rows=rows,
        source_N=place_T[batch.source_N],
        segment_N=numbers_S[batch.segment_N],
    )
