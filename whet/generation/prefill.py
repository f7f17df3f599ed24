"""Prompts that are read together, as a forest: what they share is read once, and copied into the slot of each.

Equal prompts are one segment. Prompts that begin alike are children of what they share. Whether an adapter is on is
part of a prompt: the same tokens read with it and without it have other keys and values.
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
    """A prompt and whether the adapter reads it."""

    ids: list[int]
    adapted: bool = True


@dataclass(frozen=True, slots=True)
class PrefillBatch:
    """A forest of prompts, and where each prompt's tokens lie on T."""

    batch: Batch
    adapted_T: Tensor
    """Whether the adapter reads each token."""
    last_P: Tensor
    """The last token of each prompt."""
    token_N: Tensor
    prompt_N: Tensor
    place_N: Tensor
    """For every token of every prompt: where it lies on T, whose it is, and its position."""


def build_prefill(prompts: Sequence[Prompt]) -> PrefillBatch:
    """The forest of some prompts."""
    distinct = sorted({(prompt.adapted, tuple(prompt.ids)) for prompt in prompts})
    trees: list[tuple[bool, list[Segment], list[tuple[int, ...]]]] = []
    for adapted, same in groupby(distinct, key=lambda prompt: prompt[0]):
        trees += [(adapted, *_tree(family)) for family in _families([ids for _, ids in same])]

    trees.sort(key=lambda tree: sum(len(segment.ids) for segment in tree[1]))
    segments: list[Segment] = []
    leaf: dict[tuple[bool, tuple[int, ...]], int] = {}

    adapted_T: list[bool] = []
    for adapted, members, family in trees:
        first = len(segments)
        leaves = range(first + len(members) - len(family), first + len(members))
        leaf |= {(adapted, ids): number for number, ids in zip(leaves, family, strict=True)}

        for segment in members:
            if segment.parent is None:
                parent = None
            else:
                parent = first + segment.parent

            segments.append(Segment(segment.ids, segment.weights, 0, parent))
            adapted_T += [adapted] * len(segment.ids)

    batch = build_batch(segments)
    paths = [_path(segments, batch, leaf[prompt.adapted, tuple(prompt.ids)]) for prompt in prompts]
    return PrefillBatch(
        batch,
        torch.tensor(adapted_T),
        torch.stack([path[-1] for path in paths]),
        torch.cat(paths),
        torch.cat([torch.full_like(path, number) for number, path in enumerate(paths)]),
        torch.cat([torch.arange(len(path)) for path in paths]),
    )


def shared_length(left: Sequence[int], right: Sequence[int]) -> int:
    """How many tokens two prompts begin alike with."""
    for place, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
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


def _tree(family: list[tuple[int, ...]]) -> tuple[list[Segment], list[tuple[int, ...]]]:
    """One prompt as a root, or several under what they share; every prompt keeps its last token to itself."""
    if len(family) == 1:
        return [_segment(family[0], None)], family
    shared = min(shared_length(family[0], family[-1]), min(len(ids) for ids in family) - 1)
    return [_segment(family[0][:shared], None), *(_segment(ids[shared:], 0) for ids in family)], family


def _segment(ids: Sequence[int], parent: int | None) -> Segment:
    return Segment(list(ids), [0.0] * len(ids), 0, parent)


def _path(segments: list[Segment], batch: Batch, leaf: int) -> Tensor:
    parts = [(batch.starts[number], batch.lengths[number]) for number in path_to(segments, leaf)]
    return torch.cat([torch.arange(start, start + length) for start, length in parts])
