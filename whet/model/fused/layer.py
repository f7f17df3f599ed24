"""A decoder layer in two halves, each one autograd function with its backward written out:

    y = x + Wo attention(rotate(Wq n), rotate(Wk n), Wv n)      n = rms_norm(x)
    z = y + Wd (f(Wg m) * (Wu m))                               m = rms_norm(y)

What is cheap to compute again (norms, the gated product) is not kept; with `light` only x is, and the half runs again.
Frozen weights and inputs that need no gradient cost nothing in the backward pass.
Shapes: T tokens, D hidden size, J key heads, G queries a key head, K head size, M width of the MLP.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from whet.model.fused import attention, pointwise
from whet.model.fused import linear as products
from whet.model.fused.attention import Attention
from whet.model.fused.linear import AdaptedLinear, Gradients
from whet.model.fused.pointwise import Rotary
from whet.model.fused.spans import Span


@dataclass(frozen=True, slots=True)
class Norm:
    """An RMSNorm."""

    weight_D: Tensor
    epsilon: float

    def __call__(self, x_TD: Tensor) -> Tensor:
        return pointwise.rms_norm(x_TD, self.weight_D, self.epsilon)

    def backward(self, g_TD: Tensor, x_TD: Tensor, sink: Gradients) -> Tensor:
        """dL/dx; spends `g_TD`."""
        wants = self.weight_D.requires_grad
        dx_TD, dweight_D = pointwise.rms_norm_backward(g_TD, x_TD, self.weight_D, self.epsilon, wants)
        if dweight_D is not None:
            sink[id(self.weight_D)] = dweight_D
        return dx_TD

    def parameters(self) -> list[Tensor]:
        if self.weight_D.requires_grad:
            return [self.weight_D]
        return []


@dataclass(frozen=True, slots=True)
class AttentionHalf:
    norm: Norm
    query: AdaptedLinear
    key: AdaptedLinear
    value: AdaptedLinear
    output: AdaptedLinear
    query_norm: Norm | None
    key_norm: Norm | None
    size: int

    @property
    def reads(self) -> list[AdaptedLinear]:
        return [self.query, self.key, self.value]

    def parameters(self) -> list[Tensor]:
        norms = [norm for norm in (self.norm, self.query_norm, self.key_norm) if norm]
        return [p for part in (*norms, *self.reads, self.output) for p in part.parameters()]


@dataclass(frozen=True, slots=True)
class MlpHalf:
    norm: Norm
    gate: AdaptedLinear
    up: AdaptedLinear
    down: AdaptedLinear
    activation: str

    def parameters(self) -> list[Tensor]:
        return [p for part in (self.norm, self.gate, self.up, self.down) for p in part.parameters()]


@dataclass(slots=True)
class _Attended:
    """What the backward pass of an attention half needs besides x."""

    q_TJGK: Tensor | None
    """Before its norm; only where there is one."""
    k_TJK: Tensor | None
    q_JTGK: Tensor
    k_JTK: Tensor
    v_JTK: Tensor
    kept: list[Tensor] | None
    o_TH: Tensor
    h_in: Tensor | None


def _attend(half: AttentionHalf, x_TD: Tensor, rotary: Rotary, spans: Sequence[Span], how: Attention) -> _Attended:
    """Everything up to the output layer."""
    n_TD = half.norm(x_TD)
    (q_TH, k_TH, v_TH), h_in = products.apply(n_TD, half.reads)
    tokens, heads = x_TD.shape[0], k_TH.shape[1] // half.size
    q_TJGK = q_TH.view(tokens, heads, -1, half.size)
    k_TJK, v_TJK = (z.view(tokens, heads, half.size) for z in (k_TH, v_TH))

    if half.query_norm:
        q_normed = half.query_norm(q_TJGK)
    else:
        q_normed = q_TJGK

    if half.key_norm:
        k_normed = half.key_norm(k_TJK)
    else:
        k_normed = k_TJK

    q_JTGK = pointwise.rotate(q_normed.flatten(1, 2), rotary).view_as(q_TJGK).transpose(0, 1).contiguous()
    k_JTK = pointwise.rotate(k_normed, rotary).view_as(k_TJK).transpose(0, 1).contiguous()
    v_JTK = v_TJK.transpose(0, 1)
    o_JTGK, kept = attention.forward(q_JTGK, k_JTK, v_JTK, spans, how)
    o_TH = o_JTGK.transpose(0, 1).reshape(tokens, -1)
    before = (q_TJGK if half.query_norm else None, k_TJK if half.key_norm else None)

    return _Attended(*before, q_JTGK, k_JTK, v_JTK, kept, o_TH, h_in)


class _AttentionFunction(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x_TD: Tensor,
        half: AttentionHalf,
        rotary: Rotary,
        spans: Sequence[Span],
        how: Attention,
        light: bool,
        *parameters: Tensor,
    ) -> Tensor:
        saved = _attend(half, x_TD, rotary, spans, how)
        (y_TD,), ctx.h_out = products.apply(saved.o_TH, [half.output], x_TD)
        ctx.save_for_backward(x_TD)
        ctx.saved, ctx.given, ctx.parameters = None if light else saved, (half, rotary, spans, how), parameters
        return y_TD

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (gy_TD,), (x_TD,) = grads, ctx.saved_tensors
        half, rotary, spans, how = ctx.given
        saved: _Attended = ctx.saved or _attend(half, x_TD, rotary, spans, how)
        ctx.saved = None
        sink: Gradients = {}
        do_TH = products.backward(saved.o_TH, [half.output], [gy_TD], ctx.h_out, sink)
        assert do_TH is not None
        do_JTGK = do_TH.view(saved.q_JTGK.transpose(0, 1).shape).transpose(0, 1).contiguous()
        d_JTGK = attention.backward(do_JTGK, saved.q_JTGK, saved.k_JTK, saved.v_JTK, saved.kept, spans, how)
        dq, dk, dv = (d.transpose(0, 1) for d in d_JTGK)
        dq, dk = (pointwise.rotate(d.flatten(1, 2), rotary, back=True).view(d.shape) for d in (dq, dk))

        if half.query_norm and saved.q_TJGK is not None:
            dq = half.query_norm.backward(dq, saved.q_TJGK, sink)
        if half.key_norm and saved.k_TJK is not None:
            dk = half.key_norm.backward(dk, saved.k_TJK[:, :, None], sink)

        wants_x = ctx.needs_input_grad[0] or half.norm.weight_D.requires_grad
        heads = [d.reshape(x_TD.shape[0], -1) for d in (dq, dk, dv)]

        dn_TD = products.backward(half.norm(x_TD), half.reads, heads, saved.h_in, sink, wants_x)
        if dn_TD is None:
            dx_TD = None
        else:
            dx_TD = half.norm.backward(dn_TD, x_TD, sink).add_(gy_TD)

        return (dx_TD, None, None, None, None, None, *(sink.get(id(p)) for p in ctx.parameters))


def _expand(half: MlpHalf, m_TD: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
    (gate_TM, up_TM), h_in = products.apply(m_TD, [half.gate, half.up])
    return gate_TM, up_TM, h_in


class _MlpFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_TD: Tensor, half: MlpHalf, light: bool, *parameters: Tensor) -> Tensor:
        gate_TM, up_TM, h_in = _expand(half, half.norm(x_TD))
        a_TM, _ = pointwise.gated(gate_TM, up_TM, half.activation)
        (y_TD,), h_out = products.apply(a_TM, [half.down], x_TD)
        ctx.save_for_backward(x_TD)

        if light:
            ctx.saved = None
        else:
            ctx.saved = (gate_TM, up_TM, h_in)

        ctx.half, ctx.parameters, ctx.h_out = half, parameters, h_out
        return y_TD

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (gy_TD,), (x_TD,) = grads, ctx.saved_tensors
        half: MlpHalf = ctx.half
        m_TD = half.norm(x_TD)
        gate_TM, up_TM, h_in = ctx.saved or _expand(half, m_TD)
        ctx.saved = None
        sink: Gradients = {}
        a_TM, active_TM = pointwise.gated(gate_TM, up_TM, half.activation)
        da_TM = products.backward(a_TM, [half.down], [gy_TD], ctx.h_out, sink)
        assert da_TM is not None
        del a_TM
        dgate_TM, dup_TM = pointwise.gated_backward(da_TM, gate_TM, up_TM, active_TM, half.activation)
        wants_x = ctx.needs_input_grad[0] or half.norm.weight_D.requires_grad

        dm_TD = products.backward(m_TD, [half.gate, half.up], [dgate_TM, dup_TM], h_in, sink, wants_x)
        if dm_TD is None:
            dx_TD = None
        else:
            dx_TD = half.norm.backward(dm_TD, x_TD, sink).add_(gy_TD)

        return (dx_TD, None, None, *(sink.get(id(p)) for p in ctx.parameters))


def attention_half(
    x_TD: Tensor, half: AttentionHalf, rotary: Rotary, spans: Sequence[Span], how: Attention, light: bool = False
) -> Tensor:
    """x plus what attention adds; differentiable once in x and in everything trainable of the half."""
    return _AttentionFunction.apply(x_TD, half, rotary, spans, how, light, *half.parameters())


def mlp_half(x_TD: Tensor, half: MlpHalf, light: bool = False) -> Tensor:
    """x plus what the MLP adds; differentiable once in x and in everything trainable of the half."""
    return _MlpFunction.apply(x_TD, half, light, *half.parameters())
