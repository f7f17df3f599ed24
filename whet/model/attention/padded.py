"""The plain layout of a batch: every path from a root to a leaf as one right-padded row. The reference for the forest.

Shapes: T tokens of the batch, R rows (paths), L longest row.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from whet.types import Batch


def plain_rows(batch: Batch) -> tuple[list[Tensor], Tensor]:
    """Every root-to-leaf path as a row of indices into T, and for each token of T its slot in the padded rows."""
    parents = batch.parents
    leaves = set(range(len(parents))) - {p for p in parents if p is not None}

    rows = []
    for leaf in sorted(leaves):
        path, at = [], leaf
        while at is not None:
            path.append(torch.arange(batch.starts[at], batch.starts[at] + batch.lengths[at]))
            at = parents[at]
        rows.append(torch.cat(path[::-1]))

    longest = max(len(row) for row in rows)
    slot_T = torch.empty(batch.ids_T.shape[0], dtype=torch.long)
    for index, row in enumerate(rows):
        slot_T[row] = torch.arange(len(row)) + index * longest

    device = batch.ids_T.device
    return [row.to(device) for row in rows], slot_T.to(device)


def pad_rows(rows: list[Tensor], ids_T: Tensor) -> tuple[Tensor, Tensor]:
    """Right-padded ids (R, L) and attention mask. Padding comes after everything, so its id does not matter."""
    ids_RL = pad_sequence([ids_T[row] for row in rows], batch_first=True, padding_value=0)
    mask_RL = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True, padding_value=0)
    return ids_RL, mask_RL
