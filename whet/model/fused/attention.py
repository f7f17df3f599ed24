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
    """o (J, T, G, K), and the probabilities where they are kept. Padding at the end of T comes out as zeros.

    What a span writes behind its last token is written again by the next span.
    """
    heads, _, group, _ = q_JTGK.shape
    o_JTGK = torch.empty_like(q_JTGK)
    keep = sum(span.trees * span.length**2 for span in spans) * heads * group <= KEPT

    kept: list[Tensor] = []
    for span in spans:
        q_BLK, k_BLK, v_BLK = _of_span(q_JTGK, span), _of_span(k_JTK, span), _of_span(v_JTK, span)
        o_BLK, direct = _room(o_JTGK, span)
        for rows, keys in _blocks(span.length, group):
            probabilities = _probabilities(q_BLK[:, rows], k_BLK[:, keys], span, how, group, rows, keys)
            if keep:
                kept.append(probabilities)
            torch.bmm(probabilities, v_BLK[:, keys], out=o_BLK[:, rows])

        if not direct:
            _to_tokens(o_BLK, span, o_JTGK)

    o_JTGK[:, spans[-1].stop :] = 0
    return o_JTGK, kept if keep else None


def backward(
    do_JTGK: Tensor,
    q_JTGK: Tensor,
    k_JTK: Tensor,
    v_JTK: Tensor,
    kept: list[Tensor] | None,
    spans: Sequence[Span],
    how: Attention,
) -> tuple[Tensor, Tensor, Tensor]:
    """dL/dq (J, T, G, K), dL/dk and dL/dv (J, T, 1, K), from dL/do (J, T, G, K)."""
    heads, tokens, group, size = q_JTGK.shape
    dq_JTGK = torch.empty_like(q_JTGK)
    dk_JTK, dv_JTK = (q_JTGK.new_empty(heads, tokens, 1, size) for _ in range(2))

    blocks = iter(kept or ())
    for span in spans:
        q_BLK, k_BLK, v_BLK = _of_span(q_JTGK, span), _of_span(k_JTK, span), _of_span(v_JTK, span)
        do_BLK = _of_span(do_JTGK, span)
        (dq_BLK, direct), (dk_BLK, _), (dv_BLK, _) = (_room(d, span) for d in (dq_JTGK, dk_JTK, dv_JTK))

        whole = span.length <= QUERIES
        if not whole:
            dk_BLK.zero_()
            dv_BLK.zero_()

        for rows, keys in _blocks(span.length, group):
            if kept is None:
                probabilities = _probabilities(q_BLK[:, rows], k_BLK[:, keys], span, how, group, rows, keys)
            else:
                probabilities = next(blocks)

            do_part = do_BLK[:, rows]
            dp = torch.bmm(do_part, v_BLK[:, keys].transpose(1, 2))
            ds = torch.ops.aten._softmax_backward_data(dp, probabilities, -1, dp.dtype)
            _scaled_bmm(ds, k_BLK[:, keys], how.scale, dq_BLK[:, rows])

            if whole:
                torch.bmm(probabilities.transpose(1, 2), do_part, out=dv_BLK)
                _scaled_bmm(ds.transpose(1, 2), q_BLK, how.scale, dk_BLK)
            else:
                dv_BLK[:, keys] += torch.bmm(probabilities.transpose(1, 2), do_part)
                dk_BLK[:, keys].baddbmm_(ds.transpose(1, 2), q_BLK[:, rows], alpha=how.scale)

        if not direct:
            for d_BLK, d_JTGK in ((dq_BLK, dq_JTGK), (dk_BLK, dk_JTK), (dv_BLK, dv_JTK)):
                _to_tokens(d_BLK, span, d_JTGK)

    for d_JTGK in (dq_JTGK, dk_JTK, dv_JTK):
        d_JTGK[:, spans[-1].stop :] = 0
    return dq_JTGK, dk_JTK, dv_JTK


def _scaled_bmm(a: Tensor, b: Tensor, scale: float, out: Tensor) -> None:
    """out = scale a b, the scale within the product: over dS it would be a pass of its own."""
    torch.baddbmm(out, a, b, beta=0, alpha=scale, out=out)


def _blocks(length: int, group: int) -> Iterator[tuple[slice, slice]]:
    """Rows of queries (each position comes `group` times) and the keys up to their end."""
    for begin in range(0, length, QUERIES):
        end = min(begin + QUERIES, length)
        yield slice(begin * group, end * group), slice(0, end)


def _probabilities(
    q_BLK: Tensor, k_BLK: Tensor, span: Span, how: Attention, group: int, rows: slice, keys: slice
) -> Tensor:
    """Shares of each query; queries behind a tree's last token get none, so that they change no gradient."""
    bias_nLL = span.bias(how.window, q_BLK.dtype, group)[:, rows, keys]
    heads = q_BLK.shape[0] // span.trees

    if bias_nLL.shape[0] > 1:
        bias_BLL = bias_nLL.repeat(heads, 1, 1)
    else:
        bias_BLL = bias_nLL.expand(q_BLK.shape[0], -1, -1)

    scores = torch.baddbmm(bias_BLL, q_BLK, k_BLK.transpose(1, 2), alpha=how.scale)
    probabilities = torch.softmax(scores, -1)
    for tree, length in enumerate(span.lengths):
        if length * group < rows.stop:
            probabilities[tree :: span.trees, max(0, length * group - rows.start) :] = 0

    return probabilities


def _of_span(x: Tensor, span: Span) -> Tensor:
    """(J, T, [G,] K) to (J * n, L [* G], K), a view where the layout allows it."""
    if span.gather is not None:
        x = x.index_select(1, span.gather)
    else:
        x = x[:, span.start : span.start + span.trees * span.length]
    return x.reshape(x.shape[0] * span.trees, -1, x.shape[-1])


def _room(out_JTGK: Tensor, span: Span) -> tuple[Tensor, bool]:
    """Where a span's result (J * n, L * G, K) is written: the tokens themselves where they lie so, else fresh room."""
    heads, _, group, size = out_JTGK.shape
    if span.gather is None and span.trees == 1:
        return out_JTGK[:, span.start : span.start + span.length].flatten(1, 2), True
    return out_JTGK.new_empty(heads * span.trees, span.length * group, size), False


def _to_tokens(x_BLK: Tensor, span: Span, out_JTGK: Tensor) -> None:
    """The inverse of `_of_span`, written into the tokens of the span."""
    heads, _, group, size = out_JTGK.shape
    x_JLGK = x_BLK.view(heads, span.trees * span.length, group, size)
    if span.scatter is None:
        mine = x_JLGK[:, : span.stop - span.start]
    else:
        mine = x_JLGK.index_select(1, span.scatter)
    out_JTGK[:, span.start : span.stop] = mine
