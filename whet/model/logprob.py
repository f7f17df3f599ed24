"""The one primitive: token log-probabilities. Every method, evaluation and proof reads a model through it.

    hidden states -> select the supervised positions -> head in chunks -> log-probabilities

Full logits never exist: at most `CHUNK_ELEMENTS` of them are alive at once.
Shapes: N supervised tokens, D hidden size, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

CHUNK_ELEMENTS = {"cpu": 4 * 1024 * 1024, "cuda": 64 * 1024 * 1024}
"""Logits alive at once: 16 MB in float32, so that a chunk stays in the processor's cache; more where launches cost."""


@dataclass(frozen=True, slots=True)
class Head:
    """The output layer: logits = softcap(scale * (hidden @ weight.T + bias))."""

    weight_VD: Tensor
    bias_V: Tensor | None = None
    scale: float = 1.0
    softcap: float | None = None

    def logits(self, hidden_ND: Tensor) -> Tensor:
        """Logits in at least float32, shape (N, V). Call it on a chunk."""
        logits_NV = torch.nn.functional.linear(hidden_ND, self.weight_VD, self.bias_V).to(wide(hidden_ND.dtype))
        if self.scale != 1.0:
            logits_NV = logits_NV.mul_(self.scale)
        if self.softcap:
            logits_NV = logits_NV.div_(self.softcap).tanh_().mul_(self.softcap)
        return logits_NV

    @property
    def chunk(self) -> int:
        elements = CHUNK_ELEMENTS.get(self.weight_VD.device.type, CHUNK_ELEMENTS["cuda"])
        return max(32, elements // self.weight_VD.shape[0])


def wide(dtype: torch.dtype) -> torch.dtype:
    """What logits of this dtype are summed in: float32, or float64 for float64."""
    return torch.promote_types(dtype, torch.float32)


def token_logprobs(hidden_ND: Tensor, head: Head, target_N: Tensor) -> Tensor:
    """log p(target_n | hidden_n) in float32, shape (N,); differentiable (once) in hidden and in the head."""
    return _TokenLogprobs.apply(hidden_ND, head.weight_VD, head.bias_V, target_N, head.scale, head.softcap)


def kl_sum(hidden_a_ND: Tensor, head_a: Head, hidden_b_ND: Tensor, head_b: Head) -> float:
    """Sum over positions of KL(a || b) in nats; both models must share the vocabulary. No gradient."""
    total = 0.0
    with torch.no_grad():
        for start in range(0, hidden_a_ND.shape[0], head_a.chunk):
            rows = slice(start, start + head_a.chunk)
            log_a = head_a.logits(hidden_a_ND[rows]).log_softmax(-1)
            log_b = head_b.logits(hidden_b_ND[rows]).log_softmax(-1)
            total += (log_a.exp() * (log_a - log_b)).sum().item()
    return total


class _TokenLogprobs(torch.autograd.Function):
    """With a frozen head, d logp_n / d hidden_n is made in the forward pass, row by row:

        d logp / d logits = onehot(target) - p          (chain through scale and softcap)
        d logp / d hidden = (d logp / d logits) @ weight

    It is linear in the upstream gradient of row n, so backward is one multiplication and the logits are
    computed once. With a trainable head the chunk's logits are computed again in backward.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden_ND: Tensor,
        weight_VD: Tensor,
        bias_V: Tensor | None,
        target_N: Tensor,
        scale: float,
        softcap: float | None,
    ) -> Tensor:
        head = Head(weight_VD, bias_V, scale, softcap)
        trainable_head = weight_VD.requires_grad or (bias_V is not None and bias_V.requires_grad)
        gradient_now = hidden_ND.requires_grad and not trainable_head
        logprobs_N = hidden_ND.new_empty(hidden_ND.shape[0], dtype=wide(hidden_ND.dtype))
        lse_N = torch.empty_like(logprobs_N)
        jacobian_ND = torch.empty_like(hidden_ND) if gradient_now else None
        for start in range(0, hidden_ND.shape[0], head.chunk):
            rows = slice(start, start + head.chunk)
            logits_CV = head.logits(hidden_ND[rows])
            lse_N[rows] = logits_CV.logsumexp(-1)
            logprobs_N[rows] = logits_CV.gather(1, target_N[rows, None]).squeeze(1) - lse_N[rows]
            if jacobian_ND is not None:
                slope_CV = _slope(logits_CV, lse_N[rows], target_N[rows], head)
                torch.mm(slope_CV.to(weight_VD.dtype), weight_VD, out=jacobian_ND[rows])
        ctx.scale, ctx.softcap = scale, softcap
        if jacobian_ND is not None:
            ctx.save_for_backward(jacobian_ND)
        else:
            ctx.save_for_backward(hidden_ND, weight_VD, bias_V, target_N, lse_N)
        return logprobs_N

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad_N,) = grads
        if len(ctx.saved_tensors) == 1:
            (jacobian_ND,) = ctx.saved_tensors
            return (jacobian_ND * grad_N[:, None].to(jacobian_ND.dtype), None, None, None, None, None)
        hidden_ND, weight_VD, bias_V, target_N, lse_N = ctx.saved_tensors
        head = Head(weight_VD, bias_V, ctx.scale, ctx.softcap)
        hidden_grad = torch.empty_like(hidden_ND) if ctx.needs_input_grad[0] else None
        weight_grad = torch.zeros_like(weight_VD, dtype=wide(weight_VD.dtype)) if ctx.needs_input_grad[1] else None
        bias_grad = torch.zeros_like(bias_V, dtype=wide(bias_V.dtype)) if ctx.needs_input_grad[2] else None
        for start in range(0, hidden_ND.shape[0], head.chunk):
            rows = slice(start, start + head.chunk)
            slope_CV = _slope(head.logits(hidden_ND[rows]), lse_N[rows], target_N[rows], head)
            slope_CV.mul_(grad_N[rows, None])
            slope = slope_CV.to(weight_VD.dtype)
            if hidden_grad is not None:
                torch.mm(slope, weight_VD, out=hidden_grad[rows])
            if weight_grad is not None:
                weight_grad += slope.T @ hidden_ND[rows]
            if bias_grad is not None:
                bias_grad += slope_CV.sum(0)
        return (
            hidden_grad,
            None if weight_grad is None else weight_grad.to(weight_VD.dtype),
            None if bias_grad is None or bias_V is None else bias_grad.to(bias_V.dtype),
            None,
            None,
            None,
        )


def _slope(logits_CV: Tensor, lse_C: Tensor, target_C: Tensor, head: Head) -> Tensor:
    """d logp / d (hidden @ weight.T), in place of the logits."""
    cap_slope = 1 - (logits_CV / head.softcap).square() if head.softcap else None
    slope_CV = logits_CV.sub_(lse_C[:, None]).exp_().neg_()
    slope_CV.scatter_add_(1, target_C[:, None], torch.ones_like(slope_CV[:, :1]))
    if cap_slope is not None:
        slope_CV.mul_(cap_slope)
    return slope_CV.mul_(head.scale) if head.scale != 1.0 else slope_CV
