"""Kahneman-Tversky optimisation: the loss of single answers that were marked good or bad.

Legend: P answers, in the order of their prompts.
"""

from __future__ import annotations

import torch
from torch import Tensor

from whet.recipe.schema import Kto
from whet.types import LossOut


def reference_point(policy_P: Tensor, reference_P: Tensor) -> float:
    """z0, in nats: the mean log ratio of answers that belong to other prompts, at least 0. It estimates the KL between
    policy and base, and no gradient passes through it (Ethayarajh et al. 2024, arXiv 2402.01306, section 4.1)."""
    return float((policy_P - reference_P).mean().clamp(min=0))


def kto_loss(policy_P: Tensor, reference_P: Tensor, desirable_P: Tensor, point: float, settings: Kto) -> LossOut:
    """Sum of the loss over P answers (arXiv 2402.01306, eqs. 6 and 7); the loop divides by the answers of the step.

    `policy_P` and `reference_P` are log-probabilities in nats, summed over each answer's tokens; `desirable_P` says
    which are good, and `point` is `reference_point`. A good answer costs lambda * (1 - sigmoid(beta * (ratio - z0))), a
    bad one lambda * (1 - sigmoid(beta * (z0 - ratio))).
    """
    assert settings.desirable_weight and settings.undesirable_weight, "the rules fill them in"
    ratio_P = policy_P - reference_P
    sign_P = torch.where(desirable_P, 1.0, -1.0)
    weight_P = torch.where(desirable_P, settings.desirable_weight, settings.undesirable_weight)
    loss_P = weight_P * torch.sigmoid(-sign_P * settings.beta * (ratio_P - point))
    total, count = loss_P.sum(), float(loss_P.shape[0])
    good = float(desirable_P.sum())
    rewards_P = settings.beta * ratio_P.detach()
    metrics = {
        "loss": (total.item(), count),
        "kl": (point * count, count),
        "accuracy": ((sign_P * rewards_P > 0).sum().item(), count),
        "reward_good": (rewards_P[desirable_P].sum().item(), good),
        "reward_bad": (rewards_P[~desirable_P].sum().item(), count - good),
    }

    return LossOut(total, metrics)
