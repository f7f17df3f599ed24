"""The loss of methods that learn a whole distribution: bake and distil."""

from __future__ import annotations

from torch import Tensor

from whet.types import LossOut


def divergence_loss(divergence_N: Tensor, weight_N: Tensor) -> LossOut:
    """Weighted sum of a divergence (nats) over N tokens. The loop divides by the weight of the whole step.

    forward, on given answers: context distillation (Askell et al. 2021, arXiv 2112.00861, section 2.2.1; Bhargava et
    al. 2024, arXiv 2409.13697, equation 3). reverse, on the student's own: on-policy distillation (Agarwal et al.
    2023, arXiv 2306.13649, equation 6 with lambda = 1; Gu et al. 2023, arXiv 2306.08543, equation 1, token by token).
    """
    total = (divergence_N * weight_N).sum()
    return LossOut(total, {"loss": (total.item(), float(weight_N.sum()))})
