"""The arithmetic of attention over padded rows: one formula, three ways to compute it, chosen by what is faster.

Shapes: B rows, H heads, L tokens of a row, K head size.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import dropout as drop
from torch.nn.functional import scaled_dot_product_attention

PLAIN_SCORES = 32 * 1024 * 1024
"""Attention scores alive at once on the plain path: 64 MB in bfloat16."""


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    scale: float | None,
    softcap: float | None,
    dropout: float,
) -> Tensor:
    """softmax(softcap(scale * q k')) v, shape (B, H, L, K); `key` and `value` may have fewer heads (a divisor of H).

    `mask` says what a query may see and broadcasts to (B, H, L, L); None is causal where there is more than one query.
    """
    repeats = query.shape[1] // key.shape[1]
    if repeats > 1:
        key, value = (x.repeat_interleave(repeats, dim=1) for x in (key, value))

    factor: float = query.shape[-1] ** -0.5 if scale is None else scale
    causal = mask is None and query.shape[2] > 1

    if softcap:
        return _softcapped(query, key, value, mask, causal, factor, softcap, dropout)
    if _plain_is_faster(query, key, dropout):
        return _plain(query, key, value, mask, factor)
    return scaled_dot_product_attention(
        query, key, value, attn_mask=mask, is_causal=causal, scale=factor, dropout_p=dropout
    )


def _plain_is_faster(query: Tensor, key: Tensor, dropout: float) -> bool:
    """On a processor in bfloat16, SDPA's flash backward takes 2 to 8 times as long as two plain matrix products."""
    rows, heads, longest, _ = query.shape
    fits = rows * heads * longest * longest <= PLAIN_SCORES
    square = longest == key.shape[2]
    return query.device.type == "cpu" and query.dtype == torch.bfloat16 and fits and square and not dropout


def _plain(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """softmax(scale * q k' + bias) v as plain matrix products; the bias is -inf where a query must not look."""
    rows, heads, longest, size = query.shape
    if mask is None:
        bias = torch.full((longest, longest), float("-inf"), dtype=query.dtype, device=query.device).triu(1)
    else:
        bias = torch.zeros_like(mask, dtype=query.dtype).masked_fill(~mask, float("-inf"))

    scores = torch.baddbmm(
        bias.expand(rows, heads, longest, longest).reshape(-1, longest, longest),
        query.reshape(-1, longest, size),
        key.reshape(-1, longest, size).transpose(1, 2),
        alpha=scale,
    )
    out = torch.bmm(scores.softmax(-1), value.reshape(-1, longest, value.shape[-1]))

    return out.view(rows, heads, longest, value.shape[-1])


def _softcapped(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    causal: bool,
    scale: float,
    softcap: float,
    dropout: float,
) -> Tensor:
    """Gemma 2's attention (arXiv 2408.00118, section 2), which SDPA does not compute."""
    scores = torch.tanh(query @ key.transpose(-1, -2) * (scale / softcap)) * softcap
    if causal:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    shares = scores.softmax(-1, dtype=torch.float32).to(value.dtype)
    return drop(shares, p=dropout) @ value
