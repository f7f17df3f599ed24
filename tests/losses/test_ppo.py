"""PPO's advantages, values and losses: the sums of the papers one number at a time, and where they must not pull."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from whet.losses.ppo import adapt_kl_weight, gae, ppo_loss, token_rewards, value_loss, whitened
from whet.recipe.schema import Ppo
from whet.recipe.sections.rewards import Exact

LENGTHS = (5, 2, 1, 4)


def ppo(**keys: Any) -> Ppo:
    return Ppo(rewards=[Exact()], **keys)


def laid_out(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    mask = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]
    reward, value = (torch.randn(mask.shape, generator=random) * mask for _ in range(2))
    return reward, value, mask


@pytest.mark.parametrize(("discount", "trace"), [(1.0, 0.95), (0.9, 0.8), (1.0, 1.0), (0.9, 0.0)])
def test_advantages_are_the_sum_of_discounted_surprises(discount: float, trace: float) -> None:
    reward, value, mask = laid_out(1)
    found = gae(reward, value, mask, discount, trace)
    for a, length in enumerate(LENGTHS):
        values = [*value[a, :length].tolist(), 0.0]
        surprise = [float(reward[a, t]) + discount * values[t + 1] - values[t] for t in range(length)]
        for t in range(length):
            expected = sum((discount * trace) ** (k - t) * surprise[k] for k in range(t, length))
            assert float(found[a, t]) == pytest.approx(expected, abs=1e-5)
        assert found[a, length:].abs().sum() == 0


def test_with_a_trace_of_one_the_advantage_is_the_return_above_the_value() -> None:
    reward, value, mask = laid_out(2)
    to_go = reward.flip(1).cumsum(1).flip(1)
    torch.testing.assert_close(gae(reward, value, mask, 1.0, 1.0), (to_go - value) * mask)


def test_values_outside_an_answer_change_nothing() -> None:
    reward, value, mask = laid_out(3)
    noisy = value + 9.0 * ~mask
    torch.testing.assert_close(gae(reward, noisy, mask, 0.9, 0.9), gae(reward, value, mask, 0.9, 0.9))


def test_the_reward_stands_at_the_last_token_and_the_kl_at_each() -> None:
    kl = torch.tensor([[0.1, 0.2, 0.0], [0.3, 0.0, 0.0]])
    found = token_rewards(torch.tensor([1.0, -2.0]), kl, torch.tensor([1, 0]), 0.5)
    torch.testing.assert_close(found, torch.tensor([[-0.05, 0.9, 0.0], [-2.15, 0.0, 0.0]]))


def test_whitening_is_over_all_tokens() -> None:
    given = torch.tensor([1.0, 2.0, 4.0, 9.0])
    spread = math.sqrt(sum((x - 4) ** 2 for x in given.tolist()) / 3)
    torch.testing.assert_close(whitened(given), (given - 4) / spread)
    assert whitened(torch.tensor([3.0])).tolist() == [0.0]


def test_a_value_that_moved_too_far_towards_its_goal_is_held() -> None:
    value = torch.tensor([0.1, 0.5, -0.5, 0.5], requires_grad=True)
    old, goal = torch.zeros(4), torch.tensor([1.0, 1.0, 1.0, -1.0])
    loss = value_loss(value, old, goal, 0.2)
    loss.sum().backward()
    assert value.grad is not None
    torch.testing.assert_close(loss, torch.tensor([0.5 * 0.81, 0.5 * 0.64, 0.5 * 2.25, 0.5 * 2.25]))
    torch.testing.assert_close(value.grad, torch.tensor([-0.9, 0.0, -1.5, 1.5]))


def test_the_loss_is_the_sum_of_its_three_parts() -> None:
    random = torch.Generator().manual_seed(5)
    policy, old, advantage, value, old_value, goal = (torch.randn(9, generator=random) * 0.4 for _ in range(6))
    entropy, settings = torch.rand(9, generator=random), ppo(entropy=0.03, value_weight=0.2, clip=0.1, clip_high=0.15)
    out = ppo_loss(policy, old, advantage, value, old_value, goal, entropy, 9.0, settings)
    expected = 0.0
    for n in range(9):
        ratio, a = math.exp(float(policy[n] - old[n])), float(advantage[n])
        expected -= min(ratio * a, min(max(ratio, 0.9), 1.15) * a)
        v, v0, g = float(value[n]), float(old_value[n]), float(goal[n])
        bounded = v0 + min(max(v - v0, -0.2), 0.2)
        expected += 0.2 * 0.5 * max((v - g) ** 2, (bounded - g) ** 2) - 0.03 * float(entropy[n])
    assert out.total.item() == pytest.approx(expected, abs=1e-5)
    assert out.metrics["loss"] == (out.total.item(), 9.0)


def test_the_weight_of_the_kl_follows_its_target_within_bounds() -> None:
    assert adapt_kl_weight(0.1, 2.0, 2.0, 100) == pytest.approx(0.1)
    assert adapt_kl_weight(0.1, 2.2, 2.0, 100) == pytest.approx(0.1 * 1.01)
    assert adapt_kl_weight(0.1, 99.0, 2.0, 100) == pytest.approx(0.1 * 1.02)
    assert adapt_kl_weight(0.1, -1.0, 2.0, 100) == pytest.approx(0.1 * 0.98)
