"""The one primitive: token log-probabilities. Every method, evaluation and proof reads a model through it.

    hidden states -> select the supervised positions -> head in chunks -> log-probabilities

Full logits never exist: at most `CHUNK_ELEMENTS` of them are alive at once.
Shapes: N supervised tokens, D hidden size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

CHUNK_ELEMENTS = {"cpu": 8 * 1024 * 1024, "cuda": 64 * 1024 * 1024}
"""Logits alive at once: 32 MB in float32, about a processor's cache; more where launches cost."""
ROW_GRAIN = 32
"""Rows of a chunk come in multiples of this: a processor makes and keeps new matrix kernels for every shape."""


@dataclass(frozen=True, slots=True)
class Head:
    """The output layer: logits = softcap(scale * (hidden @ weight.T + bias))."""

    weight_VD: Tensor
    bias_V: Tensor | None = None
    scale: float = 1.0
    softcap: float | None = None

    def logits(self, hidden_ND: Tensor) -> Tensor:
        """Logits in at least float32, shape (N, V). Call it on a chunk."""
        logits_NV = torch.nn.functional.linear(hidden_ND, self.weight_VD, self.bias_V).to(
            accumulation_dtype(hidden_ND.dtype)
        )
        if self.scale != 1.0:
            logits_NV = logits_NV.mul_(self.scale)
        if self.softcap:
            logits_NV = logits_NV.div_(self.softcap).tanh_().mul_(self.softcap)
        return logits_NV

    @property
    def chunk(self) -> int:
        elements = CHUNK_ELEMENTS.get(self.weight_VD.device.type, CHUNK_ELEMENTS["cuda"])
        return max(1, elements // self.weight_VD.shape[0] // ROW_GRAIN) * ROW_GRAIN


def accumulation_dtype(dtype: torch.dtype) -> torch.dtype:
    """What logits of this dtype are summed in: float32, or float64 for float64."""
    return torch.promote_types(dtype, torch.float32)


def token_logprobs(hidden_ND: Tensor, head: Head, target_N: Tensor) -> Tensor:
    """log p(target_n | hidden_n) in float32, shape (N,); differentiable (once) in hidden and in the head."""
    rows, added = len(hidden_ND), -len(hidden_ND) % ROW_GRAIN
    if added:
        hidden_ND, target_N = pad(hidden_ND, (0, 0, 0, added)), pad(target_N, (0, added))
    return _TokenLogprobs.apply(hidden_ND, head.weight_VD, head.bias_V, target_N, head.scale, head.softcap)[:rows]


def kl_sum(hidden_a_ND: Tensor, head_a: Head, hidden_b_ND: Tensor, head_b: Head) -> float:
    """Sum over positions of KL(a || b) in nats; both models must share the vocabulary. No gradient."""
    total = 0.0
    with torch.no_grad():
        for rows in chunks(len(hidden_a_ND), head_a):
            log_a = head_a.logits(hidden_a_ND[rows]).log_softmax(-1)
            log_b = head_b.logits(hidden_b_ND[rows]).log_softmax(-1)
            total += (log_a.exp() * (log_a - log_b)).sum().item()
    return total


class _Chunk:
    """Room for the logits of one chunk, used again for every chunk: fresh memory costs more than the arithmetic."""

    def __init__(self, head: Head, rows: int, dtype: torch.dtype) -> None:
        shape = (min(rows, head.chunk), head.weight_VD.shape[0])
        self.head = head
        self.raw = head.weight_VD.new_empty(shape, dtype=dtype)
        if accumulation_dtype(dtype) == dtype:
            self.wide = self.raw
        else:
            self.wide = head.weight_VD.new_empty(shape, dtype=accumulation_dtype(dtype))
        self.cap_slope: Tensor | None = None

    def read(self, hidden_CD: Tensor, target_C: Tensor) -> tuple[Tensor, Tensor]:
        """log p of the targets, and p over the vocabulary (C, V), which lives until the next call.

        log sum exp is taken from the largest p: max p = exp(max logit - lse). The largest logit is not asked where it
        stands: that takes six times as long.
        """
        head, logits_CV = self.head, self.wide[: len(hidden_CD)]
        raw_CV = torch.mm(hidden_CD, head.weight_VD.T, out=self.raw[: len(hidden_CD)])

        if head.bias_V is not None:
            raw_CV += head.bias_V
        if raw_CV is not logits_CV:
            logits_CV.copy_(raw_CV)

        if head.scale != 1.0:
            logits_CV.mul_(head.scale)

        if head.softcap:
            logits_CV.div_(head.softcap).tanh_()
            self.cap_slope = 1 - logits_CV.square()
            logits_CV.mul_(head.softcap)

        top_C = logits_CV.amax(-1)
        chosen_C = logits_CV.gather(1, target_C[:, None]).squeeze(1)
        torch.softmax(logits_CV, -1, out=logits_CV)
        lse_C = top_C - logits_CV.amax(-1).log_()

        return chosen_C - lse_C, logits_CV

    def slope(self, p_CV: Tensor, target_C: Tensor, upstream_C: Tensor | None = None) -> Tensor:
        """upstream * d log p / d (hidden @ weight.T), in place of p, in the dtype of the head."""
        p_CV.neg_().scatter_add_(1, target_C[:, None], torch.ones_like(p_CV[:, :1]))
        if self.cap_slope is not None:
            p_CV.mul_(self.cap_slope)
        if self.head.scale != 1.0:
            p_CV.mul_(self.head.scale)
        if upstream_C is not None:
            p_CV.mul_(upstream_C[:, None])
        if self.raw is self.wide:
            return p_CV
        return self.raw[: len(p_CV)].copy_(p_CV)


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
        logprobs_N = hidden_ND.new_empty(hidden_ND.shape[0], dtype=accumulation_dtype(hidden_ND.dtype))

        if gradient_now:
            jacobian_ND = torch.empty_like(hidden_ND)
        else:
            jacobian_ND = None

        chunk = _Chunk(head, len(hidden_ND), hidden_ND.dtype)
        for rows in chunks(len(hidden_ND), head):
            logprobs_N[rows], p_CV = chunk.read(hidden_ND[rows], target_N[rows])
            if jacobian_ND is not None:
                torch.mm(chunk.slope(p_CV, target_N[rows]), weight_VD, out=jacobian_ND[rows])

        ctx.scale, ctx.softcap = scale, softcap
        if jacobian_ND is not None:
            ctx.save_for_backward(jacobian_ND)
        else:
            ctx.save_for_backward(hidden_ND, weight_VD, bias_V, target_N)

        return logprobs_N

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad_N,) = grads
        if len(ctx.saved_tensors) == 1:
            (jacobian_ND,) = ctx.saved_tensors
            return (jacobian_ND * grad_N[:, None].to(jacobian_ND.dtype), None, None, None, None, None)

        hidden_ND, weight_VD, bias_V, target_N = ctx.saved_tensors
        head = Head(weight_VD, bias_V, ctx.scale, ctx.softcap)
        gradients = HeadGradients(hidden_ND, head, ctx.needs_input_grad)

        chunk = _Chunk(head, len(hidden_ND), hidden_ND.dtype)
        for rows in chunks(len(hidden_ND), head):
            _, p_CV = chunk.read(hidden_ND[rows], target_N[rows])
            gradients.add(rows, chunk.slope(p_CV, target_N[rows], grad_N[rows]))

        return (*gradients.found(), None, None, None)


class HeadGradients:
    """Gradients of hidden states, weight and bias, summed chunk by chunk from slopes in hidden @ weight.T + bias.
    `wants` begins with whether each of the three is asked for."""

    def __init__(self, hidden_ND: Tensor, head: Head, wants: Sequence[bool]) -> None:
        self.hidden_ND, self.head = hidden_ND, head
        weight_VD, bias_V = head.weight_VD, head.bias_V

        if wants[0]:
            self.for_hidden = torch.empty_like(hidden_ND)
        else:
            self.for_hidden = None

        if wants[1]:
            self.for_weight = torch.zeros_like(weight_VD, dtype=accumulation_dtype(weight_VD.dtype))
        else:
            self.for_weight = None

        self.for_bias = None
        if wants[2] and bias_V is not None:
            self.for_bias = torch.zeros_like(bias_V, dtype=accumulation_dtype(bias_V.dtype))

    def add(self, rows: slice, slope_CV: Tensor) -> None:
        """One chunk; its slope is in the dtype of the weight."""
        if self.for_hidden is not None:
            torch.mm(slope_CV, self.head.weight_VD, out=self.for_hidden[rows])
        if self.for_weight is not None:
            self.for_weight += slope_CV.T @ self.hidden_ND[rows]
        if self.for_bias is not None:
            self.for_bias += slope_CV.sum(0, dtype=self.for_bias.dtype)

    def found(self) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """In the dtypes of what they are gradients of."""
        weight, bias = self.for_weight, self.for_bias
        return (
            self.for_hidden,
            None if weight is None else weight.to(self.head.weight_VD.dtype),
            None if bias is None or self.head.bias_V is None else bias.to(self.head.bias_V.dtype),
        )


def chunks(rows: int, head: Head) -> Iterator[slice]:
    """Rows whose logits are alive together."""
    for start in range(0, rows, head.chunk):
        yield slice(start, start + head.chunk)
