"""How far one model's distribution is from another's, position by position, over the whole vocabulary.

    reverse   KL(student || teacher): the student gives up what the teacher would not say
    forward   KL(teacher || student): the student covers all that the teacher might say

Full logits never exist: at most some chunks of whet/model/logits/logprob.py are alive at once.
Shapes: N positions, C positions of a chunk, D hidden size (each model's own), V vocabulary.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from whet.model.logits.logprob import Head, HeadGradients, accumulation_dtype, chunks

Direction = Literal["forward", "reverse"]


def token_divergence(
    student_ND: Tensor, student: Head, teacher_ND: Tensor, teacher: Head, direction: Direction
) -> Tensor:
    """KL in nats at each position, at least float32, shape (N,); differentiable (once) in the student's hidden states
    and head. The teacher is a constant.

    Where one output layer has more rows than the other (padding behind the same tokenizer), both are read up to the
    shorter one.
    """
    student, teacher = same_vocabulary(student, teacher)
    return _TokenDivergence.apply(
        student_ND, student.weight_VD, student.bias_V, student.scale, student.softcap, teacher_ND, teacher, direction
    )


def same_vocabulary(left: Head, right: Head) -> tuple[Head, Head]:
    """Both heads with the vocabulary of the shorter one."""
    size = min(len(left.weight_VD), len(right.weight_VD))
    return _first_rows(left, size), _first_rows(right, size)


def _first_rows(head: Head, size: int) -> Head:
    if len(head.weight_VD) == size:
        return head
    return replace(head, weight_VD=head.weight_VD[:size], bias_V=None if head.bias_V is None else head.bias_V[:size])


class _TokenDivergence(torch.autograd.Function):
    """With p the student's and q the teacher's probabilities, K the divergence of a position:

        forward:  K = sum q (log q - log p)     dK / d logits = p - q
        reverse:  K = sum p (log p - log q)     dK / d logits = p (log p - log q - K)
        dK / d hidden = (dK / d logits) through softcap and scale @ weight

    As in token_logprobs: with a frozen head the gradient is made in the forward pass, else logits are computed again.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden_ND: Tensor,
        weight_VD: Tensor,
        bias_V: Tensor | None,
        scale: float,
        softcap: float | None,
        teacher_ND: Tensor,
        teacher: Head,
        direction: Direction,
    ) -> Tensor:
        head = Head(weight_VD, bias_V, scale, softcap)
        trainable_head = weight_VD.requires_grad or (bias_V is not None and bias_V.requires_grad)
        gradient_now = hidden_ND.requires_grad and not trainable_head
        found_N = hidden_ND.new_empty(len(hidden_ND), dtype=accumulation_dtype(hidden_ND.dtype))

        if gradient_now:
            jacobian_ND = torch.empty_like(hidden_ND)
        else:
            jacobian_ND = None

        for rows in chunks(len(hidden_ND), head):
            found_N[rows], slope_CV = _read(head, hidden_ND[rows], teacher, teacher_ND[rows], direction)
            if jacobian_ND is not None:
                torch.mm(slope_CV.to(weight_VD.dtype), weight_VD, out=jacobian_ND[rows])

        ctx.scale, ctx.softcap, ctx.teacher, ctx.direction = scale, softcap, teacher, direction
        ctx.save_for_backward(*([jacobian_ND] if gradient_now else [hidden_ND, weight_VD, bias_V, teacher_ND]))
        return found_N

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad_N,) = grads
        rest = (None,) * 5

        if len(ctx.saved_tensors) == 1:
            (jacobian_ND,) = ctx.saved_tensors
            return (jacobian_ND * grad_N[:, None].to(jacobian_ND.dtype), None, None, *rest)

        hidden_ND, weight_VD, bias_V, teacher_ND = ctx.saved_tensors
        head = Head(weight_VD, bias_V, ctx.scale, ctx.softcap)

        gradients = HeadGradients(hidden_ND, head, ctx.needs_input_grad)
        for rows in chunks(len(hidden_ND), head):
            _, slope_CV = _read(head, hidden_ND[rows], ctx.teacher, teacher_ND[rows], ctx.direction)
            gradients.add(rows, (slope_CV * grad_N[rows, None]).to(weight_VD.dtype))

        return (*gradients.found(), *rest)


def _read(
    head: Head, hidden_CD: Tensor, teacher: Head, teacher_CD: Tensor, direction: Direction
) -> tuple[Tensor, Tensor]:
    """The divergence of each position, and its slope in hidden @ weight.T, shape (C, V)."""
    logits_CV = head.logits(hidden_CD)
    log_p_CV, log_q_CV = logits_CV.log_softmax(-1), teacher.logits(teacher_CD).to(logits_CV.dtype).log_softmax(-1)
    p_CV, apart_CV = log_p_CV.exp(), log_p_CV.sub_(log_q_CV)

    if direction == "forward":
        q_CV = log_q_CV.exp_()
        found_C = -(q_CV * apart_CV).sum(-1)
        slope_CV = p_CV.sub_(q_CV)
    else:
        found_C = (p_CV * apart_CV).sum(-1)
        slope_CV = apart_CV.sub_(found_C[:, None]).mul_(p_CV)

    if head.softcap:
        slope_CV.mul_(1 - (logits_CV / head.softcap).square_())
    return found_C, slope_CV.mul_(head.scale) if head.scale != 1.0 else slope_CV
