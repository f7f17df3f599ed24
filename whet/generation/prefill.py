"""Prompts that are read together, as a forest: what they share is read once, and copied into the slot of each.

Equal prompts are one segment. Prompts that begin alike are children of what they share. Which adapter reads it is part
of a prompt: the same tokens read with another one have other keys and values.
Shapes: T tokens of the forest, P prompts, N tokens of all prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from whet.data.batches.forest import build_batch, path_to
from whet.types import Batch, Segment

SHARED = 16
"""Least tokens in common for which prompts are hung under one root."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt and the number of the adapter that reads it; 0 is the base."""

    ids: list[int]
    adapter: int = 1


@dataclass(frozen=True, slots=True)
class PrefillBatch:
    """A forest of prompts, and where each prompt's tokens lie on T."""

    batch: Batch
    adapter_T: list[int]
    """The number of the adapter that reads each token."""
    last_P: Tensor
    """The last token of each prompt."""
    token_N: Tensor
    prompt_N: Tensor
    place_N: Tensor
    """For every token of every prompt: where it lies on T, whose it is, and its position."""


@dataclass(frozen=True, slots=True)
class _Tree:
    """Prompts that begin alike, as a root and its children; one prompt is a root alone. Parents count within it."""

    adapter: int
    segments: list[Segment]
    prompts: list[tuple[int, ...]]
    """In the order of the last segments, which are theirs."""

    @property
    def tokens(self) -> int:
        return sum(len(segment.ids) for segment in self.segments)


def build_prefill(prompts: Sequence[Prompt]) -> PrefillBatch:
    """The forest of some prompts."""
    segments: list[Segment] = []
    leaf_of: dict[tuple[int, tuple[int, ...]], int] = {}
    adapter_T: list[int] = []

    for tree in sorted(_distinct_trees(prompts), key=lambda tree: tree.tokens):
        first = len(segments)
        for segment in tree.segments:
            parent = None if segment.parent is None else first + segment.parent
            segments.append(Segment(segment.ids, segment.weights, 0, parent))
            adapter_T += [tree.adapter] * len(segment.ids)

        first_leaf = len(segments) - len(tree.prompts)
        for number, ids in enumerate(tree.prompts, start=first_leaf):
            leaf_of[tree.adapter, ids] = number

    batch = build_batch(segments)
    paths = [_path(segments, batch, leaf_of[prompt.adapter, tuple(prompt.ids)]) for prompt in prompts]
    return _prefill_of_paths(batch, adapter_T, paths)


def _distinct_trees(prompts: Sequence[Prompt]) -> list[_Tree]:
    """Each prompt once, in sorted order, with those that begin alike."""
    distinct = sorted({(prompt.adapter, tuple(prompt.ids)) for prompt in prompts})
    trees = []
    for adapter, same in groupby(distinct, key=lambda prompt: prompt[0]):
        for family in _families([ids for _, ids in same]):
            trees.append(_Tree(adapter, _segments_of(family), family))

    return trees


def _prefill_of_paths(batch: Batch, adapter_T: list[int], paths: list[Tensor]) -> PrefillBatch:
    """`paths` are where the tokens of each prompt lie on T."""
    last_P = torch.stack([path[-1] for path in paths])
    prompt_N = torch.cat([torch.full_like(path, number) for number, path in enumerate(paths)])
    place_N = torch.cat([torch.arange(len(path)) for path in paths])
    return PrefillBatch(batch, adapter_T, last_P, torch.cat(paths), prompt_N, place_N)


def shared_length(left: Sequence[int], right: Sequence[int]) -> int:
    """How many tokens two prompts begin alike with."""
    for place, (left_id, right_id) in enumerate(zip(left, right, strict=False)):
        if left_id != right_id:
            return place
    return min(len(left), len(right))


def _families(prompts: list[tuple[int, ...]]) -> list[list[tuple[int, ...]]]:
    """Runs of the sorted prompts whose members all begin alike."""
    families = [[prompts[0]]]
    for ids in prompts[1:]:
        if shared_length(families[-1][0], ids) > SHARED:  # in sorted order the first shares least with the newest
            families[-1].append(ids)
        else:
            families.append([ids])
    return families


def _segments_of(family: list[tuple[int, ...]]) -> list[Segment]:
    """One prompt as a root, or several under what they share; every prompt keeps its last token to itself."""
    if len(family) == 1:
        return [_segment(family[0], None)]

    shortest = min(len(ids) for ids in family)
    shared = min(shared_length(family[0], family[-1]), shortest - 1)
    return [_segment(family[0][:shared], None), *(_segment(ids[shared:], 0) for ids in family)]


def _segment(ids: Sequence[int], parent: int | None) -> Segment:
    return Segment(list(ids), [0.0] * len(ids), 0, parent)


def _path(segments: list[Segment], batch: Batch, leaf: int) -> Tensor:
    parts = [(batch.starts[number], batch.lengths[number]) for number in path_to(segments, leaf)]
    return torch.cat([torch.arange(start, start + length) for start, length in parts])
