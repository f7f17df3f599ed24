"""Which segments of a batch are its answers, and sums of what each of their tokens is worth.

Legend: P prompts (roots of the batch), S segments, N supervised tokens. In `x_2P` row 0 is the chosen answer and row 1
the rejected one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from whet.types import Batch

COUNTS = {1: "one answer", 2: "two answers"}


def single_answers(batch: Batch) -> Tensor:
    """Segment number of each prompt's answer, shape (P,). Raises ValueError for a batch that is not made of roots with
    one child each."""
    return _children_of_roots(batch, 1)[0]


def paired_answers(batch: Batch) -> Tensor:
    """Segment numbers of the answers, shape (2, P), in the order of the pairs' roots. Raises ValueError for a batch
    that is not made of roots with two children each."""
    return _children_of_roots(batch, 2)


def rows_of_pairs(batch: Batch) -> list[int]:
    """The input row of each pair of a batch."""
    return [batch.rows[number] for number in paired_answers(batch)[0].tolist()]


def sum_over(answers: Tensor, value_N: Tensor, batch: Batch) -> Tensor:
    """The sum of a value of each supervised token over each of these answers (segment numbers), in their shape."""
    sum_S = torch.zeros(len(batch.parents), dtype=value_N.dtype, device=value_N.device)
    return sum_S.index_add(0, batch.segment_N, value_N)[answers]


def _children_of_roots(batch: Batch, each: int) -> Tensor:
    """Shape (each, P)."""
    children: dict[int, list[int]] = {n: [] for n, parent in enumerate(batch.parents) if parent is None}
    for number, parent in enumerate(batch.parents):
        if parent is not None:
            children.setdefault(parent, []).append(number)

    if any(len(answers) != each for answers in children.values()):
        raise ValueError(f"this batch is to be made of prompts with {COUNTS[each]} each")
    return torch.tensor(list(children.values()), dtype=torch.long).T
