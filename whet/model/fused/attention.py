"""Causal attention over spans, forward and backward, as plain matrix products: o = softmax(s q k' + bias) v.

    dv = P' do      dP = do v'      dS = P (dP - sum_k dP P)      dq = s dS k      dk = s dS' q

Heads that share a key are rows of one product, so that keys and values are never repeated. Long spans are computed in
blocks of queries, each against the keys up to its end only, which skips most of the upper triangle. Probabilities are
kept for the backward pass while they are few, and computed again otherwise.
Shapes: J key heads, G queries a key head, K head size, T tokens, n trees of a span, L their length, B = n * J.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from whet.model.fused.spans import Span

QUERIES = 512
"""Queries of a block."""
KEPT = 8 * 1024 * 1024
"""Most probabilities that one layer keeps for its backward pass."""


@dataclass(frozen=True, slots=True)
class Attention:
    """What does not change between layers of a kind."""

    scale: float
    window: int | None


def forward(
    q_JTGK: Tensor, k_JTK: Tensor, v_JTK: Tensor, spans: Sequence[Span], how: Attention
) -> tuple[Tensor, list[Tensor] | None]:
    """o (T, J * G * K), and the probabilities where they are kept. Padding at the end of T comes out as zeros."""
    heads, tokens, group, size = q_JTGK.shape
    o_TJGK = q_JTGK.new_empty(tokens, heads, group, size)
    o_TJGK[spans[-1].stop :] = 0
    keep = sum(span.trees * span.length**2 for span in spans) * heads * group <= KEPT
    kept: list[Tensor] = []
    for span in spans:
        q_BLK, k_BLK, v_BLK = _of_span(q_JTGK, span), _of_span(k_JTK, span), _of_span(v_JTK, span)
        o_BLK = q_BLK.new_empty(q_BLK.shape) if span.length > QUERIES else None
        for rows, keys in _blocks(span.length, group):
            probabilities = _probabilities(q_BLK[:, rows], k_BLK[:, keys], span, how, group, rows, keys)
            if keep:
                kept.append(probabilities)
            if o_BLK is None:
                o_BLK = torch.bmm(probabilities, v_BLK)
            else:
                torch.bmm(probabilities, v_BLK[:, keys], out=o_BLK[:, rows])
        assert o_BLK is not None
        _to_tokens(o_BLK, span, o_TJGK)
    return o_TJGK.view(tokens, -1), kept if keep else None


def backward(
    do_TH: Tensor,
    q_JTGK: Tensor,
    k_JTK: Tensor,
    v_JTK: Tensor,
    kept: list[Tensor] | None,
    spans: Sequence[Span],
    how: Attention,
) -> tuple[Tensor, Tensor, Tensor]:
    """dL/dq (T, J, G, K), dL/dk and dL/dv (T, J, 1, K), from dL/do (T, J * G * K)."""
    heads, tokens, group, size = q_JTGK.shape
    do_JTGK = do_TH.view(tokens, heads, group, size).transpose(0, 1)
    dq_TJGK = q_JTGK.new_empty(tokens, heads, group, size)
    dk_TJK, dv_TJK = (q_JTGK.new_empty(tokens, heads, 1, size) for _ in range(2))
    for d in (dq_TJGK, dk_TJK, dv_TJK):
        d[spans[-1].stop :] = 0
    at = 0
    for span in spans:
        q_BLK, k_BLK, v_BLK = _of_span(q_JTGK, span), _of_span(k_JTK, span), _of_span(v_JTK, span)
        do_BLK = _of_span_zeroed(do_JTGK, span)
        whole = span.length <= QUERIES
        dq_BLK = None if whole else torch.empty_like(do_BLK)
        dk_BLK = None if whole else torch.zeros(k_BLK.shape, dtype=k_BLK.dtype)
        dv_BLK = None if whole else torch.zeros(v_BLK.shape, dtype=v_BLK.dtype)
        for rows, keys in _blocks(span.length, group):
            if kept is None:
                probabilities = _probabilities(q_BLK[:, rows], k_BLK[:, keys], span, how, group, rows, keys)
            else:
                probabilities, at = kept[at], at + 1
            do_part = do_BLK[:, rows]
            dP = torch.bmm(do_part, v_BLK[:, keys].transpose(1, 2))
            dS = torch.ops.aten._softmax_backward_data(dP, probabilities, -1, dP.dtype).mul_(how.scale)
            dv_part = torch.bmm(probabilities.transpose(1, 2), do_part)
            dk_part = torch.bmm(dS.transpose(1, 2), q_BLK[:, rows])
            dq_part = torch.bmm(dS, k_BLK[:, keys])
            if dq_BLK is None or dk_BLK is None or dv_BLK is None:
                dq_BLK, dk_BLK, dv_BLK = dq_part, dk_part, dv_part
            else:
                dq_BLK[:, rows] = dq_part
                dk_BLK[:, keys] += dk_part
                dv_BLK[:, keys] += dv_part
        assert dq_BLK is not None and dk_BLK is not None and dv_BLK is not None
        for d_BLK, d_TJGK in ((dq_BLK, dq_TJGK), (dk_BLK, dk_TJK), (dv_BLK, dv_TJK)):
            _to_tokens(d_BLK, span, d_TJGK)
    return dq_TJGK, dk_TJK, dv_TJK


def _blocks(length: int, group: int) -> Iterator[tuple[slice, slice]]:
    """Rows of queries (each position stands `group` times) and the keys up to their end."""
    for begin in range(0, length, QUERIES):
        end = min(begin + QUERIES, length)
        yield slice(begin * group, end * group), slice(0, end)


def _probabilities(
    q_BLK: Tensor, k_BLK: Tensor, span: Span, how: Attention, group: int, rows: slice, keys: slice
) -> Tensor:
    bias_nLL = span.bias(how.window, q_BLK.dtype, group)[:, rows, keys]
    heads = q_BLK.shape[0] // span.trees
    if bias_nLL.shape[0] > 1:
        bias_BLL = bias_nLL.repeat(heads, 1, 1)
    else:
        bias_BLL = bias_nLL.expand(q_BLK.shape[0], -1, -1)
    scores = torch.baddbmm(bias_BLL, q_BLK, k_BLK.transpose(1, 2), alpha=how.scale)
    return torch.softmax(scores, -1)


def _of_span(x: Tensor, span: Span) -> Tensor:
    """(J, T, [G,] K) to (J * n, L [* G], K), a view where the layout allows it."""
    if span.gather is not None:
        x = x.index_select(1, span.gather)
    else:
        x = x[:, span.start : span.start + span.trees * span.length]
    return x.reshape(x.shape[0] * span.trees, -1, x.shape[-1])


def _of_span_zeroed(x_JTGK: Tensor, span: Span) -> Tensor:
    """As `_of_span`, with zeros in the padding: what no query wrote has no gradient."""
    heads, _, group, size = x_JTGK.shape
    padded = span.trees * span.length
    if padded == span.stop - span.start and span.scatter is None:
        return x_JTGK[:, span.start : span.stop].reshape(heads * span.trees, -1, size)
    out = x_JTGK.new_zeros(heads, padded, group, size)
    mine = x_JTGK[:, span.start : span.stop]
    if span.scatter is None:
        out[:, : mine.shape[1]] = mine
    else:
        out.index_copy_(1, span.scatter, mine)
    return out.view(heads * span.trees, -1, size)


def _to_tokens(x_BLK: Tensor, span: Span, out_TJGK: Tensor) -> None:
    """The inverse of `_of_span`, written into the tokens of the span."""
    _, heads, group, size = out_TJGK.shape
    x_JLGK = x_BLK.view(heads, span.trees * span.length, group, size)
    mine = x_JLGK[:, : span.stop - span.start] if span.scatter is None else x_JLGK.index_select(1, span.scatter)
    out_TJGK[span.start : span.stop] = mine.transpose(0, 1)
