"""Negative log-likelihood of the supervised tokens."""

from __future__ import annotations

from torch import Tensor

from whet.types import LossOut


def sft_loss(logprobs_N: Tensor, weight_N: Tensor) -> LossOut:
    """Weighted sum of -log p over N tokens, in nats. The loop divides by the weight of the whole step.

    Also used for pre-training, where every token has weight 1.
    """
    total = -(logprobs_N * weight_N).sum()
    return LossOut(total, {"loss": (total.item(), float(weight_N.sum()))})
