"""Attention over a forest: causal along the path from a root to a leaf, and nothing else.

Goes in through transformers' own registries, so every architecture that uses them works unchanged. While no
forest is active the registered function is transformers' SDPA, so the same model object generates as usual.

How: the flat axis T is gathered into one padded row per tree (a view, without a copy, where all trees have the
same length), and SDPA runs on that. Only attention sees padding; every other operation runs on T. On a GPU
FlexAttention may run on T itself (flex.py). Which layers have a sliding window is decided by the mask that
transformers asks for, exactly as for its own SDPA.
Shapes: R trees, L longest tree, H heads, K head size, S segments.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from whet.data.batches.forest import trees_of
from whet.errors import ModelError
from whet.model.attention.flex import attend_flat, block_mask
from whet.model.attention.kernels import attend
from whet.types import Batch

FOREST = "whet_forest"
UNUSED_TENSORS = {"position_ids", "cache_position"}
"""Tensors that architectures hand on to every attention function although SDPA has no use for them."""
TOKEN_GRAIN, LENGTH_GRAIN = 128, 16
SMALL_GRAIN, SMALL = 32, 1024
"""T and L are rounded up to these, a T of at most SMALL to the finer one: a processor's matrix kernels are made afresh
for every new shape, which takes time and memory. The tokens added at the end of T are seen by nobody and supervise
nothing."""


@dataclass(frozen=True, slots=True)
class ForestLayout:
    """Where each tree's tokens lie on T, and which pairs may attend."""

    trees: int
    longest: int
    gather_RL: Tensor | None
    """Index into T of each slot; padding repeats token 0. None where the trees are equal and contiguous."""
    scatter_T: Tensor | None
    """Slot (r * L + l) of each token of T, and of those that round T up."""
    family_RLL: Tensor | None
    """Is the key on the query's path, and not after it? None where every tree is a single root: plain causal."""
    positions_RL: Tensor
    batch: Batch
    flat: bool = False
    """FlexAttention on T itself; nothing is gathered."""
    masks: dict[int | None, Tensor | BlockMask | None] = field(default_factory=dict)
    """The masks made so far, by sliding window: every layer of a kind shares one."""
    spans: dict[int, Any] = field(default_factory=dict)
    """How the fused layers cut this forest, by number of heads (whet/model/fused/spans.py)."""
    rotary: dict[tuple[int, int, int], Any] = field(default_factory=dict)
    """The angles of its tokens as the fused layers want them."""

    @property
    def added(self) -> int:
        """Tokens that round T up."""
        tokens = self.batch.ids_T.shape[0]
        if self.flat:
            return round_up(tokens, TOKEN_GRAIN) - tokens
        if self.scatter_T is None:
            return 0
        return self.scatter_T.shape[0] - tokens

    def mask(self, window: int | None) -> Tensor | BlockMask | None:
        """May the query attend to the key? Broadcasts to (R, H, L, L). None where plain causal attention is right."""
        if window is not None and int(self.positions_RL.max()) < window:
            window = None
        if window not in self.masks:
            self.masks[window] = self._build_mask(window)
        return self.masks[window]

    def _build_mask(self, window: int | None) -> Tensor | BlockMask | None:
        if self.flat:
            return block_mask(self.batch, self.batch.ids_T.shape[0] + self.added, window)
        if window is None:
            if self.family_RLL is None:
                return None
            return self.family_RLL[:, None]
        if self.family_RLL is not None:
            distance_RLL = self.positions_RL[:, :, None] - self.positions_RL[:, None, :]
            return (self.family_RLL & (distance_RLL < window))[:, None]

        order_L = torch.arange(self.longest, device=self.positions_RL.device)  # in a single root: the position
        distance_LL = order_L[:, None] - order_L[None, :]
        return ((distance_LL >= 0) & (distance_LL < window))[None, None]


_active: ContextVar[ForestLayout | None] = ContextVar("forest", default=None)


def active_forest() -> ForestLayout | None:
    """The forest that the present forward pass runs over."""
    return _active.get()


@contextmanager
def forest(layout: ForestLayout) -> Iterator[None]:
    """Within this block attention runs over the given forest."""
    token = _active.set(layout)
    try:
        yield
    finally:
        _active.reset(token)


def round_up(count: int, grain: int) -> int:
    return -(-count // grain) * grain


def rounded(tokens: int) -> int:
    """T with what is added at its end."""
    return round_up(tokens, SMALL_GRAIN if tokens <= SMALL else TOKEN_GRAIN)


def layout_of(batch: Batch, flat: bool = False) -> ForestLayout:
    """Group the batch's segments into trees and work out who may see whom."""
    device = batch.ids_T.device
    if flat:
        return ForestLayout(1, batch.ids_T.shape[0], None, None, None, batch.positions_T[None], batch, flat=True)

    members = trees_of(batch.parents)
    lengths = lengths_of_trees(batch, members)
    trees, longest = len(members), max(lengths)

    single = all(len(group) == 1 for group in members)
    if single and min(lengths) == longest:
        return ForestLayout(trees, longest, None, None, None, batch.positions_T.view(trees, longest), batch)

    longest = round_up(longest, LENGTH_GRAIN)
    gather = torch.zeros(trees, longest, dtype=torch.long)
    segment_RL = torch.full((trees, longest), -1, dtype=torch.long)

    scatter = torch.zeros(rounded(batch.ids_T.shape[0]), dtype=torch.long)
    for row, group in enumerate(members):
        at = 0
        for segment in group:
            start, length = batch.starts[segment], batch.lengths[segment]
            gather[row, at : at + length] = torch.arange(start, start + length)
            scatter[start : start + length] = torch.arange(at, at + length) + row * longest
            segment_RL[row, at : at + length] = segment
            at += length

    gather_RL, segment_RL = gather.to(device), segment_RL.to(device)
    positions_RL = batch.positions_T[gather_RL]

    if single:
        family_RLL = None
    else:
        family_RLL = family(batch.parents, segment_RL, positions_RL)

    return ForestLayout(trees, longest, gather_RL, scatter.to(device), family_RLL, positions_RL, batch)


def lengths_of_trees(batch: Batch, members: Sequence[Sequence[int]]) -> list[int]:
    """Tokens of each tree; `members` are the numbers of its segments."""
    return [sum(batch.lengths[segment] for segment in tree) for tree in members]


def family(parents: list[int | None], segment_RL: Tensor, positions_RL: Tensor) -> Tensor:
    """(R, L, L): does the key lie on the query's path, and not after it? `segment_RL` is -1 for padding."""
    count = len(parents)
    ancestor_SS = torch.eye(count + 1, dtype=torch.bool)  # row `count` stands for padding, which sees itself
    for segment, parent in enumerate(parents):
        if parent is not None:
            ancestor_SS[segment] |= ancestor_SS[parent]

    segment_RL = segment_RL.where(segment_RL >= 0, count)
    ancestor_SS = ancestor_SS.to(segment_RL.device)
    on_path_RLL = ancestor_SS[segment_RL[:, :, None], segment_RL[:, None, :]]
    return on_path_RLL & (positions_RL[:, None, :] <= positions_RL[:, :, None])


def _forest_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Any,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    layout = _active.get()
    if layout is None:
        return _usual_attention(module, query, key, value, attention_mask, **kwargs)

    _refuse_foreign(module, query, key, attention_mask, layout, kwargs)
    if attention_mask is None:
        mask = layout.mask(None)
    else:
        mask = attention_mask

    scale, softcap, dropout = kwargs.get("scaling"), kwargs.get("softcap"), kwargs.get("dropout", 0.0)
    if isinstance(mask, BlockMask):
        if dropout:
            raise _unfit(module, "drops attention weights")
        return attend_flat(query, key, value, mask, scale, softcap).transpose(1, 2), None

    query_RHLK, key_RHLK, value_RHLK = (_to_trees(x, layout) for x in (query, key, value))
    out_RHLK = attend(query_RHLK, key_RHLK, value_RHLK, mask, scale, softcap, dropout)
    out_THK = out_RHLK.transpose(1, 2).reshape(layout.trees * layout.longest, *out_RHLK.shape[1::2])

    if layout.scatter_T is not None:
        out_THK = out_THK.index_select(0, layout.scatter_T)
    return out_THK[None], None


def _usual_attention(
    module: torch.nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> tuple[Tensor, None]:
    """Outside a forest: transformers' SDPA, and for a softcap (which SDPA lacks) the formula itself. It shares nothing
    with the forest: what the forest's attention leaves out must not be missing where it is compared with this."""
    softcap = kwargs.pop("softcap", None)
    if softcap:
        scale, dropout = kwargs.get("scaling"), kwargs.get("dropout", 0.0)
        out_BHLK = _capped(query, key, value, attention_mask, scale, softcap, dropout)
        return out_BHLK.transpose(1, 2).contiguous(), None
    return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)  # type: ignore[return-value]


def _capped(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    scale: float | None,
    softcap: float,
    dropout: float,
) -> Tensor:
    """softmax(softcap * tanh(scale * q k' / softcap)) v, written out (Gemma 2, arXiv 2408.00118, section 2)."""
    repeats, length, seen = query.shape[1] // key.shape[1], query.shape[2], key.shape[2]
    key, value = key.repeat_interleave(repeats, dim=1), value.repeat_interleave(repeats, dim=1)

    if scale is None:
        factor = query.shape[-1] ** -0.5
    else:
        factor = scale

    scores = ((query @ key.transpose(-1, -2)).float() * factor / softcap).tanh() * softcap
    if mask is None:
        mask = torch.ones(length, seen, dtype=torch.bool, device=query.device).tril(seen - length)

    least = torch.finfo(scores.dtype).min
    if mask.dtype == torch.bool:
        scores = scores.masked_fill(~mask, least)
    else:
        scores = scores + mask

    weights = torch.nn.functional.dropout(scores.softmax(-1).to(query.dtype), dropout)
    return weights @ value


def _to_trees(x_1HTK: Tensor, layout: ForestLayout) -> Tensor:
    heads, _, size = x_1HTK.shape[1:]
    if layout.gather_RL is None:
        return x_1HTK[0].view(heads, layout.trees, layout.longest, size).transpose(0, 1)
    rows = x_1HTK[0].transpose(0, 1).index_select(0, layout.gather_RL.view(-1))
    return rows.view(layout.trees, layout.longest, heads, size).transpose(1, 2)


def _refuse_foreign(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    attention_mask: Tensor | BlockMask | None,
    layout: ForestLayout,
    kwargs: dict[str, Any],
) -> None:
    """Raise ModelError for whatever would change the attention without the forest knowing."""
    extra = [name for name, value in kwargs.items() if isinstance(value, Tensor) and name not in UNUSED_TENSORS]
    if extra:
        raise _unfit(module, f"is given {', '.join(extra)}")
    if kwargs.get("is_causal") is False or getattr(module, "is_causal", True) is False:
        raise _unfit(module, "looks ahead")
    if query.shape[0] != 1 or query.shape[2] != key.shape[2]:
        raise _unfit(module, "does not attend from a line of tokens to itself")
    if attention_mask is not None and all(attention_mask is not known for known in layout.masks.values()):
        raise _unfit(module, "changes its mask")


def _forest_mask(*args: Any, local_size: int | None = None, use_vmap: bool = False, **kwargs: Any) -> Any:
    layout = _active.get()
    if layout is None:
        return sdpa_mask(*args, local_size=local_size, use_vmap=use_vmap, **kwargs)
    if use_vmap:
        raise _unfit(None, "adds a rule of its own to the mask")
    return layout.mask(local_size)


def _unfit(module: torch.nn.Module | None, why: str) -> ModelError:
    return ModelError(
        f"{type(module).__name__ if module is not None else 'the attention'} {why}, which the forest does not carry",
        fix="set attention: plain in the recipe",
    )


AttentionInterface.register(FOREST, _forest_attention)  # type: ignore[arg-type]
AttentionMaskInterface.register(FOREST, _forest_mask)  # type: ignore[arg-type]
