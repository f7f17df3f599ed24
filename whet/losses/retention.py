"""What a step pays for leaving the base: the loss of replayed tokens, and a divergence from the base."""

from __future__ import annotations

from torch import Tensor

from whet.types import LossOut


def replay_loss(logprobs_N: Tensor, weight_N: Tensor, share: float) -> LossOut:
    """`share` times the weighted sum of -log p, nats, over N replayed tokens (rehearsal: Robins 1995,
    doi:10.1080/09540099550039318)."""
    total = -(logprobs_N * weight_N).sum()
    return LossOut(share * total, {"replay_loss": (total.item(), float(weight_N.sum()))})


def kl_penalty(divergence_N: Tensor, weight_N: Tensor, kl: float, share: float) -> LossOut:
    """`share` times `kl` times the weighted sum of KL(base || model), nats, over N tokens.

    On the base's own words this is the mean of `replay_loss` over all that the base might have said, less its entropy:
    the same aim without the noise of the draw (learning without forgetting: Li and Hoiem 2016, arXiv 1606.09282,
    equation 3, at temperature 1).
    """
    total = (divergence_N * weight_N).sum()
    return LossOut(share * kl * total, {"kl_to_base": (total.item(), float(weight_N.sum()))})


def add_losses(first: LossOut, second: LossOut) -> LossOut:
    """The sum of two losses with other metrics."""
    return LossOut(first.total + second.total, first.metrics | second.metrics)
