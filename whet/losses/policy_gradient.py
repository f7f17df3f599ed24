"""Policy gradients from groups of answers to the same prompt: advantages, and the clipped surrogate losses.

Legend: P prompts of a step, G answers a prompt, A answers of a batch, N their tokens.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from whet.recipe.schema import Grpo, Rloo
from whet.types import LossOut

SMALLEST = 1e-4
"""Added to a standard deviation before it divides, as TRL does."""


def group_advantages(reward_PG: Tensor, scale: Literal["group", "batch", "none"]) -> Tensor:
    """Rewards above the mean of their group (P, G); GRPO (Shao et al. 2024, arXiv 2402.03300, section 4.1.2) divides
    them by the standard deviation of the group. Dr. GRPO (Liu et al. 2025, arXiv 2503.20783, section 3.2) does not:
    the division weighs a prompt more the more alike its rewards are."""
    above_PG = reward_PG - reward_PG.mean(1, keepdim=True)
    if scale == "none":
        return above_PG

    if scale == "group":
        spread = reward_PG.std(1, keepdim=True)
    else:
        spread = reward_PG.std()

    return above_PG / (spread + SMALLEST)


def leave_one_out(reward_PG: Tensor, normalise: bool) -> Tensor:
    """Rewards above the mean of the others of their group (P, G): RLOO (Kool et al. 2019; Ahmadian et al. 2024, arXiv
    2402.14740, equation 7)."""
    others_PG = (reward_PG.sum(1, keepdim=True) - reward_PG) / (reward_PG.shape[1] - 1)
    above_PG = reward_PG - others_PG
    if normalise:
        return (above_PG - above_PG.mean()) / (above_PG.std() + SMALLEST)
    return above_PG


def clipped(log_ratio: Tensor, advantage: Tensor, low: float, high: float) -> tuple[Tensor, Tensor]:
    """(loss, whether it was clipped), one each: -min(r A, clip(r, 1 - low, 1 + high) A), PPO's surrogate (Schulman et
    al. 2017, arXiv 1707.06347, equation 7) with DAPO's own upper bound (Yu et al. 2025, arXiv 2503.14476, 3.1)."""
    ratio = log_ratio.exp()
    bounded = ratio.clamp(1 - low, 1 + high)
    loss = -torch.minimum(ratio * advantage, bounded * advantage)
    held = ((ratio < 1 - low) & (advantage < 0)) | ((ratio > 1 + high) & (advantage > 0))
    return loss, held


def k3(policy_N: Tensor, reference_N: Tensor) -> Tensor:
    """Schulman's estimate of KL(policy || reference) a token, from samples of the policy: never below 0, unbiased
    (joschu.net/blog/kl-approx; GRPO, equation 4)."""
    difference_N = reference_N - policy_N
    return difference_N.exp() - difference_N - 1


def overlong_penalty(tokens_A: Tensor, limit: int, soft: float = 0.2) -> Tensor:
    """0 for an answer of up to (1 - soft) of `limit` tokens, from there in a straight line to -1 at the limit: DAPO's
    soft overlong punishment (equation 13)."""
    room = soft * limit
    return -((tokens_A - (limit - room)) / room).clamp(0, 1)


def token_weights(tokens_A: Tensor, mean: Literal["tokens", "answers", "constant"], limit: int) -> tuple[Tensor, float]:
    """(weight of each token of an answer, what the sum of a step is divided by).

    tokens: the mean over all tokens of the step (DAPO, equation 8). answers: the mean of the answers' means (GRPO,
    equation 3). constant: over `limit` tokens an answer (Dr. GRPO, appendix A), where length bears no bias. Answers
    that are left out have 0 tokens here, and count in the last two.
    """
    if mean == "tokens":
        return torch.ones_like(tokens_A), max(1.0, float(tokens_A.sum()))
    if mean == "answers":
        return 1 / tokens_A.clamp_min(1), float(len(tokens_A))
    return torch.full_like(tokens_A, 1 / limit), float(len(tokens_A))


def grpo_loss(
    policy_N: Tensor,
    old_N: Tensor,
    reference_N: Tensor | None,
    advantage_N: Tensor,
    weight_N: Tensor,
    weight: float,
    settings: Grpo,
) -> LossOut:
    """The weighted sum over tokens of the clipped surrogate, plus `kl` times k3; the loop divides by the step's weight,
    of which `weight` is this batch's share."""
    loss_N, held_N = clipped(policy_N - old_N, advantage_N, settings.clip, settings.clip_high)
    tokens = float(len(policy_N))
    seen = {"clipped": (float(held_N.sum()), tokens), "entropy": (-policy_N.sum().item(), tokens)}

    if reference_N is not None:
        kl_N = k3(policy_N, reference_N)
        loss_N = loss_N + settings.kl * kl_N
        seen["kl"] = (kl_N.sum().item(), tokens)

    total = (loss_N * weight_N).sum()
    return LossOut(total, {"loss": (total.item(), weight)} | seen)


def rloo_loss(
    policy_N: Tensor, old_N: Tensor, answer_N: Tensor, advantage_A: Tensor, weight: float, settings: Rloo
) -> LossOut:
    """The sum over answers of the clipped surrogate, where the ratio is that of the whole answer. `answer_N`: whose
    token it is, among the A answers."""
    log_ratio_A = torch.zeros_like(advantage_A).index_add(0, answer_N, policy_N - old_N)
    loss_A, held_A = clipped(log_ratio_A, advantage_A, settings.clip, settings.clip_high)
    total, answers = loss_A.sum(), float(len(advantage_A))
    seen = {"clipped": (float(held_A.sum()), answers), "entropy": (-policy_N.sum().item(), float(len(policy_N)))}
    return LossOut(total, {"loss": (total.item(), weight)} | seen)
