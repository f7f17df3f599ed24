"""Attention over the flat axis T itself, by FlexAttention (PyTorch 2.5 and later): for GPUs.

No tree is padded and no mask is stored: who may see whom is a function of three numbers a token, and blocks of
128 x 128 in which nobody sees anybody are skipped. A token sees those that are on its path and not after it:

    enter(key's segment) <= enter(query's segment) < leave(key's segment)   and   position(key) <= position(query)

where a walk through each tree, children after parents, numbers the segments: `enter` is a segment's own number and
`leave` one past the largest in the subtree below it.
On a processor FlexAttention has no backward pass; there only the forward pass runs, uncompiled, for the tests.
Shapes: T tokens (a multiple of BLOCK), S segments, H heads, K head size.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from whet.types import Batch

BLOCK = 128
PAIRS = 16 * 1024 * 1024
"""Pairs of tokens that are looked at together while a mask is made: 16 MB for each of a few steps."""


def flex_runs_on(device: torch.device) -> bool:
    """Forwards and backwards."""
    return device.type == "cuda"


def block_mask(batch: Batch, tokens: int, window: int | None) -> BlockMask:
    """Who sees whom on T rounded up to `tokens`; those added see only each other."""
    enter, leave = walk(batch.parents)
    added, device = tokens - len(batch.ids_T), batch.ids_T.device
    lengths_S = torch.tensor([*batch.lengths, added])
    order_T = torch.tensor([n for _, n in sorted(zip(batch.starts, range(len(enter)), strict=True))] + [len(enter)])
    segment_T = order_T.repeat_interleave(lengths_S[order_T])
    count = len(enter)
    enter_T = torch.tensor([*enter, count])[segment_T].to(device)
    leave_T = torch.tensor([*leave, count + 1])[segment_T].to(device)
    position_T = torch.cat([batch.positions_T, torch.arange(added, device=device)])

    def visible(_row: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        on_path = (enter_T[key] <= enter_T[query]) & (enter_T[query] < leave_T[key])
        seen = on_path & (position_T[key] <= position_T[query])
        if window is None:
            return seen
        return seen & (position_T[query] - position_T[key] < window)

    return BlockMask.from_kv_blocks(*_blocks(visible, tokens, device), BLOCK_SIZE=BLOCK, mask_mod=visible)


def _blocks(visible: Callable[..., Tensor], tokens: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """For each block of queries: how many blocks of keys it sees in part, and which; how many as a whole, and which.

    Pairs are looked at for a few blocks of queries at a time: all T x T of them would take 1 GB for 32,768 tokens.
    """
    blocks = tokens // BLOCK
    key_T, zero = torch.arange(tokens, device=device), torch.zeros((), dtype=torch.long, device=device)

    some, whole = [], []
    for first in range(0, tokens, step := BLOCK * max(1, PAIRS // (BLOCK * tokens))):
        query_Q = torch.arange(first, min(first + step, tokens), device=device)
        seen = visible(zero, zero, query_Q[:, None], key_T[None]).view(-1, BLOCK, blocks, BLOCK)
        some.append(seen.any(3).any(1))
        whole.append(seen.all(3).all(1))

    some_BB, whole_BB = torch.cat(some), torch.cat(whole)
    return *_listed(some_BB & ~whole_BB), *_listed(whole_BB)


def _listed(chosen_BB: Tensor) -> tuple[Tensor, Tensor]:
    """Of each row how many are chosen, (1, 1, B), and their columns, which come first, (1, 1, B, B)."""
    order_BB = chosen_BB.to(torch.int8).argsort(dim=1, descending=True, stable=True).to(torch.int32)
    return chosen_BB.sum(1, dtype=torch.int32)[None, None], order_BB[None, None].contiguous()


def walk(parents: list[int | None]) -> tuple[list[int], list[int]]:
    """`enter` and `leave` of each segment. A parent comes before its children in the list."""
    below = [1] * len(parents)
    for segment in reversed(range(len(parents))):
        parent = parents[segment]
        if parent is not None:
            below[parent] += below[segment]

    enter, following = [0] * len(parents), [0] * len(parents)
    fresh = 0
    for segment, parent in enumerate(parents):
        if parent is None:
            enter[segment], fresh = fresh, fresh + below[segment]
        else:
            enter[segment], following[parent] = following[parent], following[parent] + below[segment]
        following[segment] = enter[segment] + 1

    return enter, [start + size for start, size in zip(enter, below, strict=True)]


def attend_flat(
    query: Tensor, key: Tensor, value: Tensor, mask: BlockMask, scale: float | None, softcap: float | None
) -> Tensor:
    """softmax(softcap(scale * q k')) v, shape (1, H, T, K); `key` and `value` may have fewer heads (a divisor of H)."""

    def capped(score: Tensor, _row: Tensor, _head: Tensor, _query: Tensor, _key: Tensor) -> Tensor:
        assert softcap
        return softcap * torch.tanh(score / softcap)

    if query.is_cuda:
        compute = _compiled()
    else:
        compute = flex_attention
    return compute(
        query, key, value, score_mod=capped if softcap else None, block_mask=mask, scale=scale, enable_gqa=True
    )


@cache
def _compiled() -> Any:
    return torch.compile(flex_attention, dynamic=True)
