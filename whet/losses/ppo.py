"""Proximal policy optimisation: advantages of every token from a value head, and the clipped losses of both.

The details are those that published runs agree on: Ouyang et al. 2022 (arXiv 2203.02155, appendix C.4), Huang et al.
2024 ("The N+ implementation details of RLHF with PPO", arXiv 2403.17031) and 2022 ("The 37 implementation details of
PPO"). Legend: A answers, T tokens of the longest, N tokens of a batch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from whet.losses.policy_gradient import clipped
from whet.recipe.schema import Ppo
from whet.types import LossOut

STEER = 0.2
"""Largest share by which one rollout may change the KL's weight, per `HORIZON` answers."""
HORIZON = 1000.0
"""Answers over which the KL's weight follows its error (Ziegler et al. 2019 take 10,000 of many more answers)."""


def token_rewards(score_A: Tensor, kl_AT: Tensor, last_A: Tensor, kl: float) -> Tensor:
    """-kl * (log p - log p_base) for each token (A, T), and the answer's reward at its last one (2403.17031, detail
    10; 2203.02155, equation 2)."""
    reward_AT = -kl * kl_AT
    return reward_AT.scatter_add(1, last_A[:, None], score_A[:, None])


def gae(reward_AT: Tensor, value_AT: Tensor, mask_AT: Tensor, discount: float, trace: float) -> Tensor:
    """Generalised advantage estimates (Schulman et al. 2016, arXiv 1506.02438, equation 16), 0 outside the answers:

    A_t = sum_k (discount * trace)^k d_(t+k),   d_t = r_t + discount * V_(t+1) - V_t,   V = 0 after the last token
    """
    inside_AT = mask_AT.to(value_AT.dtype)
    next_AT = torch.nn.functional.pad((value_AT * inside_AT)[:, 1:], (0, 1))
    surprise_AT = (reward_AT + discount * next_AT - value_AT) * inside_AT
    advantage_AT = torch.zeros_like(value_AT)

    running_A = torch.zeros_like(value_AT[:, 0])
    for t in reversed(range(value_AT.shape[1])):
        running_A = surprise_AT[:, t] + discount * trace * running_A
        advantage_AT[:, t] = running_A

    return advantage_AT * inside_AT


def whitened(value_N: Tensor) -> Tensor:
    """Mean 0 and deviation 1 over all tokens of a rollout (2403.17031, detail 13)."""
    if len(value_N) < 2:
        return value_N - value_N.mean()
    return (value_N - value_N.mean()) * (value_N.var() + 1e-8).rsqrt()


def value_loss(value_N: Tensor, old_N: Tensor, return_N: Tensor, clip: float) -> Tensor:
    """Half the square of the error, or of what is left of it when a value may only move `clip` from its old one: the
    larger of both (2022's detail 9)."""
    bounded_N = old_N + (value_N - old_N).clamp(-clip, clip)
    return 0.5 * torch.maximum((value_N - return_N).square(), (bounded_N - return_N).square())


def ppo_loss(
    policy_N: Tensor,
    old_N: Tensor,
    advantage_N: Tensor,
    value_N: Tensor,
    old_value_N: Tensor,
    return_N: Tensor,
    entropy_N: Tensor | None,
    weight: float,
    settings: Ppo,
) -> LossOut:
    """Sum over tokens of the policy's clipped surrogate (1707.06347, equations 7 and 9), the value's loss times its
    weight, and less the entropy times its own; the loop divides by the tokens of the step."""
    policy_loss_N, held_N = clipped(policy_N - old_N, advantage_N, settings.clip, settings.clip_high)
    value_loss_N = value_loss(value_N, old_value_N, return_N, settings.value_clip)
    loss_N = policy_loss_N + settings.value_weight * value_loss_N

    if entropy_N is not None:
        loss_N = loss_N - settings.entropy * entropy_N
    total, tokens = loss_N.sum(), float(len(policy_N))
    seen = {
        "clipped": float(held_N.sum()),
        "value_loss": value_loss_N.sum().item(),
        "value": value_N.sum().item(),
        "entropy": (-policy_N if entropy_N is None else entropy_N).sum().item(),
        "ratio": (policy_N - old_N).exp().sum().item(),
    }

    return LossOut(total, {"loss": (total.item(), weight)} | {name: (value, tokens) for name, value in seen.items()})


def adapt_kl_weight(kl_weight: float, kl: float, target: float, answers: int) -> float:
    """The next rollout's KL weight: larger where the mean KL of an answer was above the target, smaller below (Ziegler
    et al. 2019, arXiv 1909.08593, section 2.2)."""
    error = min(max(kl / target - 1, -STEER), STEER)
    return kl_weight * (1 + error * answers / HORIZON)
