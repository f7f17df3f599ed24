"""Attention over a forest: causal along the path from a root to a leaf, and nothing else.

Goes in through transformers' own registries, so every architecture that uses them works unchanged. While no
forest is active the registered function is transformers' SDPA, so the same model object generates as usual.

How: the flat axis T is gathered into one padded row per tree (a view, without a copy, where all trees have the
same length), and SDPA runs on that. Only attention sees padding; every other operation runs on T.
Shapes: R trees, L longest tree, H heads, K head size.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from whet.types import Batch

FOREST = "whet_forest"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each tree's tokens lie on T, and which pairs may attend."""

    trees: int
    longest: int
    gather_RL: Tensor | None
    """Index into T of each slot; padding repeats token 0. None where the trees are equal and contiguous."""
    scatter_T: Tensor | None
    """Slot (r * L + l) of each token of T."""
    mask_RLL: Tensor | None
    """May the query attend to the key? None: plain causal."""
    positions_RL: Tensor


_active: ContextVar[Layout | None] = ContextVar("forest", default=None)


@contextmanager
def forest(layout: Layout) -> Iterator[None]:
    """Within this block attention runs over the given forest."""
    token = _active.set(layout)
    try:
        yield
    finally:
        _active.reset(token)


def layout_of(batch: Batch) -> Layout:
    """Group the batch's segments into trees and work out who may see whom."""
    device = batch.ids_T.device
    root_of: list[int] = []
    for segment, parent in enumerate(batch.parents):
        root_of.append(segment if parent is None else root_of[parent])
    members: dict[int, list[int]] = {}
    for segment, root in enumerate(root_of):
        members.setdefault(root, []).append(segment)
    lengths = [sum(batch.lengths[s] for s in group) for group in members.values()]
    trees, longest = len(members), max(lengths)
    single = all(len(group) == 1 for group in members.values())
    if single and min(lengths) == longest:
        return Layout(trees, longest, None, None, None, batch.positions_T.view(trees, longest))
    gather = torch.zeros(trees, longest, dtype=torch.long)
    segment_RL = torch.full((trees, longest), -1, dtype=torch.long)
    scatter = torch.empty(batch.ids_T.shape[0], dtype=torch.long)
    for row, group in enumerate(members.values()):
        at = 0
        for segment in group:
            start, length = batch.starts[segment], batch.lengths[segment]
            gather[row, at : at + length] = torch.arange(start, start + length)
            scatter[start : start + length] = torch.arange(at, at + length) + row * longest
            segment_RL[row, at : at + length] = segment
            at += length
    positions_RL = batch.positions_T.cpu()[gather]
    mask = None if single else _ancestor_mask(batch.parents, segment_RL, positions_RL)
    return Layout(
        trees,
        longest,
        gather.to(device),
        scatter.to(device),
        None if mask is None else mask.to(device),
        positions_RL.to(device),
    )


def _ancestor_mask(parents: list[int | None], segment_RL: Tensor, positions_RL: Tensor) -> Tensor:
    count = len(parents)
    ancestor_SS = torch.eye(count + 1, dtype=torch.bool)  # row `count` stands for padding, which sees itself
    for segment, parent in enumerate(parents):
        if parent is not None:
            ancestor_SS[segment] |= ancestor_SS[parent]
    segment_RL = segment_RL.where(segment_RL >= 0, count)
    visible = ancestor_SS[segment_RL[:, :, None], segment_RL[:, None, :]]
    return visible & (positions_RL[:, None, :] <= positions_RL[:, :, None])


def _forest_attention(
    module: torch.nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> tuple[Tensor, None]:
    layout = _active.get()
    if layout is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)  # type: ignore[return-value]
    repeats = query.shape[1] // key.shape[1]
    query_RHLK, key_RHLK, value_RHLK = (_to_trees(x, layout) for x in (query, key, value))
    if repeats > 1:
        key_RHLK, value_RHLK = (x.repeat_interleave(repeats, dim=1) for x in (key_RHLK, value_RHLK))
    mask = _window(layout, kwargs.get("sliding_window"))
    scale = kwargs.get("scaling")
    dropout = kwargs.get("dropout", 0.0)
    if kwargs.get("softcap"):
        out_RHLK = _softcapped(query_RHLK, key_RHLK, value_RHLK, mask, layout, scale, kwargs["softcap"])
    elif _plain_is_faster(query_RHLK, dropout):
        out_RHLK = _plain(query_RHLK, key_RHLK, value_RHLK, mask, scale)
    elif mask is None:
        out_RHLK = scaled_dot_product_attention(
            query_RHLK, key_RHLK, value_RHLK, is_causal=True, scale=scale, dropout_p=dropout
        )
    else:
        out_RHLK = scaled_dot_product_attention(
            query_RHLK, key_RHLK, value_RHLK, attn_mask=mask[:, None], scale=scale, dropout_p=dropout
        )
    out_THK = out_RHLK.transpose(1, 2).reshape(layout.trees * layout.longest, *out_RHLK.shape[1::2])
    if layout.scatter_T is not None:
        out_THK = out_THK.index_select(0, layout.scatter_T)
    return out_THK[None], None


def _to_trees(x_1HTK: Tensor, layout: Layout) -> Tensor:
    heads, _, size = x_1HTK.shape[1:]
    if layout.gather_RL is None:
        return x_1HTK[0].view(heads, layout.trees, layout.longest, size).transpose(0, 1)
    rows = x_1HTK[0].transpose(0, 1).index_select(0, layout.gather_RL.view(-1))
    return rows.view(layout.trees, layout.longest, heads, size).transpose(1, 2)


def _window(layout: Layout, sliding_window: int | None) -> Tensor | None:
    """The layout's mask, narrowed to the last `sliding_window` positions of the path where that matters."""
    if sliding_window is None or int(layout.positions_RL.max()) < sliding_window:
        return layout.mask_RLL
    position = layout.positions_RL
    distance = position[:, :, None] - position[:, None, :]
    near = (distance >= 0) & (distance < sliding_window)
    if layout.mask_RLL is not None:
        return layout.mask_RLL & near
    order = torch.arange(layout.longest, device=position.device)
    return near & (order[None, :] <= order[:, None]) | torch.eye(
        layout.longest, dtype=torch.bool, device=position.device
    )


PLAIN_SCORES = 32 * 1024 * 1024
"""Attention scores alive at once on the plain path: 64 MB in bfloat16."""


def _plain_is_faster(query_RHLK: Tensor, dropout: float) -> bool:
    """On a processor in bfloat16, SDPA's flash backward takes 2 to 8 times as long as two plain matrix products."""
    trees, heads, longest, _ = query_RHLK.shape
    fits = trees * heads * longest * longest <= PLAIN_SCORES
    return query_RHLK.device.type == "cpu" and query_RHLK.dtype == torch.bfloat16 and fits and not dropout


def _plain(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float | None) -> Tensor:
    """softmax(scale * q k' + bias) v as plain matrix products; the bias is -inf where a query must not look."""
    trees, heads, longest, size = query.shape
    rows = trees * heads
    if mask is None:
        bias = torch.full((longest, longest), float("-inf"), dtype=query.dtype, device=query.device).triu(1)
        bias = bias.expand(rows, longest, longest)
    else:
        bias = torch.zeros_like(mask, dtype=query.dtype).masked_fill(~mask, float("-inf"))
        bias = bias[:, None].expand(trees, heads, longest, longest).reshape(rows, longest, longest)
    scores = torch.baddbmm(
        bias,
        query.reshape(rows, longest, size),
        key.reshape(rows, longest, size).transpose(1, 2),
        alpha=scale if scale is not None else size**-0.5,
    )
    return torch.bmm(scores.softmax(-1), value.reshape(rows, longest, size)).view(trees, heads, longest, size)


def _softcapped(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, layout: Layout, scale: float | None, softcap: float
) -> Tensor:
    scores = (query @ key.transpose(-1, -2)) * (scale if scale is not None else query.shape[-1] ** -0.5)
    scores = torch.tanh(scores / softcap) * softcap
    if mask is None:
        mask = torch.ones(layout.longest, layout.longest, dtype=torch.bool, device=query.device).tril()[None]
    scores = scores.masked_fill(~mask[:, None], torch.finfo(scores.dtype).min)
    return scores.float().softmax(-1).to(value.dtype) @ value


def _forest_mask(*args: Any, **kwargs: Any) -> Tensor | None:
    return sdpa_mask(*args, **kwargs) if _active.get() is None else None


AttentionInterface.register(FOREST, _forest_attention)  # type: ignore[arg-type]
AttentionMaskInterface.register(FOREST, _forest_mask)  # type: ignore[arg-type]
