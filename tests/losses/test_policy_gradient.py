"""Advantages and losses of answers in groups: TRL's own lines, the papers' formulas in plain Python, their limits."""

from __future__ import annotations

import inspect
import math
import textwrap
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from whet.losses.policy_gradient import (
    clipped,
    group_advantages,
    grpo_loss,
    k3,
    leave_one_out,
    overlong_penalty,
    rloo_loss,
    token_weights,
)  # fmt: skip
from whet.recipe.schema import Grpo, Rloo
from whet.recipe.sections.rewards import Exact

PROMPTS, SAMPLES, LIMIT = 3, 4, 9
ANSWERS = PROMPTS * SAMPLES


def grpo(**keys: Any) -> Grpo:
    return Grpo(rewards=[Exact()], max_new_tokens=LIMIT, **keys)


class Numbers:
    """Log-probabilities of answers of unequal lengths: padded (A, T) as TRL holds them, and flat (N)."""

    def __init__(self, seed: int) -> None:
        random = torch.Generator().manual_seed(seed)
        self.tokens_A = torch.randint(1, LIMIT + 1, (ANSWERS,), generator=random)
        self.mask_AT = torch.arange(LIMIT) < self.tokens_A[:, None]
        self.old_AT, self.policy_AT, self.reference_AT = (
            -2 + spread * torch.randn(ANSWERS, LIMIT, generator=random) for spread in (0.1, 0.4, 0.4)
        )
        self.reward_PG = torch.randint(0, 3, (PROMPTS, SAMPLES), generator=random).float()
        self.reward_PG[0] = 1.0
        self.answer_N = torch.arange(ANSWERS).repeat_interleave(self.tokens_A)

    def flat(self, value_AT: Tensor) -> Tensor:
        return value_AT[self.mask_AT]


def trl_lines(module: str, owner: str, method: str, first: str, last: str) -> str:
    """The lines of a TRL trainer from one that begins with `first` to the next one that begins with `last`."""
    trainer = import_module(module)
    lines = inspect.getsource(getattr(getattr(trainer, owner), method)).splitlines()
    begin = next(n for n, line in enumerate(lines) if line.strip().startswith(first))
    end = next(n for n in range(begin, len(lines)) if lines[n].strip().startswith(last))
    return textwrap.dedent("\n".join(lines[begin:end]))


def nanstd(value: Tensor, dim: int | None = None) -> Tensor:
    return import_module("trl.trainer.utils").nanstd(value, dim=dim)


@pytest.mark.parametrize("scale", ["group", "batch", "none"])
def test_group_advantages_are_trls(scale: Any) -> None:
    code = trl_lines(
        "trl.trainer.grpo_trainer", "GRPOTrainer", "_generate_and_score_completions", "mean_grouped_rewards =", "is_std"
    )
    for seed in range(4):
        reward_PG = Numbers(seed).reward_PG
        own = SimpleNamespace(scale_rewards=scale)
        names = {"self": own, "torch": torch, "nanstd": nanstd, "rewards": reward_PG.flatten()}
        exec(code, names | {"num_generations": SAMPLES}, names)
        torch.testing.assert_close(group_advantages(reward_PG, scale).flatten(), names["advantages"])


@pytest.mark.parametrize("normalise", [False, True])
def test_leave_one_out_advantages_are_trls(normalise: bool) -> None:
    code = trl_lines(
        "trl.trainer.rloo_trainer", "RLOOTrainer", "_generate_and_score_completions", "grouped_rewards =", "# Slice"
    )
    for seed in range(4):
        reward_PG = Numbers(seed).reward_PG
        own = SimpleNamespace(normalize_advantages=normalise)
        names = {"self": own, "torch": torch, "nanstd": nanstd, "rewards": reward_PG.flatten()}
        exec(code, names | {"num_generations": SAMPLES}, names)
        torch.testing.assert_close(leave_one_out(reward_PG, normalise).flatten(), names["advantages"])


def by_trl(given: Numbers, policy_AT: Tensor, advantage_A: Tensor, kind: str, settings: Grpo) -> Tensor:
    code = trl_lines("trl.trainer.grpo_trainer", "GRPOTrainer", "_compute_loss", "log_ratio =", "# Entropy bonus")
    own = SimpleNamespace(
        importance_sampling_level="token",
        beta=settings.kl,
        loss_type=kind,
        epsilon_low=settings.clip,
        epsilon_high=settings.clip_high,
        off_policy_mask_threshold=None,
        use_vllm=False,
        current_gradient_accumulation_steps=1,
        max_completion_length=LIMIT,
        model=SimpleNamespace(training=True),
        accelerator=SimpleNamespace(num_processes=1),
        args=SimpleNamespace(use_bias_correction_kl=False, delta=None, steps_per_generation=1),
    )
    inputs = {"ref_per_token_logps": given.reference_AT, "num_items_in_batch": given.mask_AT.sum()}
    names: dict[str, Any] = {
        "self": own, "torch": torch, "inputs": inputs, "per_token_logps": policy_AT, "mask": given.mask_AT,
        "old_per_token_logps": given.old_AT, "advantages": advantage_A[:, None], "entropy_mask": None,
    }  # fmt: skip
    exec(code, names)
    return names["loss"]


def ours(given: Numbers, policy_AT: Tensor, advantage_A: Tensor, settings: Grpo) -> Tensor:
    weight_A, weight = token_weights(given.tokens_A.float(), settings.mean, LIMIT)
    reference_N = given.flat(given.reference_AT) if settings.kl else None
    numbers = (given.flat(policy_AT), given.flat(given.old_AT), reference_N)
    out = grpo_loss(*numbers, advantage_A[given.answer_N], weight_A[given.answer_N], weight, settings)
    assert out.metrics["loss"] == (out.total.item(), weight)
    return out.total / weight


KINDS = [("dapo", "tokens"), ("grpo", "answers"), ("dr_grpo", "constant")]


@pytest.mark.parametrize("kl", [0.0, 0.1])
@pytest.mark.parametrize(("kind", "mean"), KINDS)
def test_the_loss_and_its_gradient_are_trls(kind: str, mean: Any, kl: float) -> None:
    settings = grpo(mean=mean, kl=kl)
    for seed in range(4):
        given = Numbers(seed)
        advantage_A = group_advantages(given.reward_PG, "group").flatten()
        mine, theirs = (given.policy_AT.clone().requires_grad_(True) for _ in range(2))
        loss, expected = ours(given, mine, advantage_A, settings), by_trl(given, theirs, advantage_A, kind, settings)
        loss.backward()
        expected.backward()
        torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)
        assert mine.grad is not None and theirs.grad is not None and theirs.grad.abs().sum() > 0
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-5, atol=1e-5)


def test_the_loss_of_whole_answers_and_its_gradient_are_trls() -> None:
    code = trl_lines("trl.trainer.rloo_trainer", "RLOOTrainer", "_compute_loss", "logps = ", "# Log the metrics")
    settings = Rloo(rewards=[Exact()])
    for seed in range(4):
        given = Numbers(seed)
        advantage_A = leave_one_out(given.reward_PG, False).flatten()
        mine, theirs = (given.policy_AT.clone().requires_grad_(True) for _ in range(2))
        numbers = (given.flat(mine), given.flat(given.old_AT), given.answer_N, advantage_A, float(ANSWERS))
        loss = rloo_loss(*numbers, settings).total / ANSWERS
        inputs = {"old_logps": (given.old_AT * given.mask_AT).sum(1), "advantages": advantage_A}
        names: dict[str, Any] = {
            "self": SimpleNamespace(epsilon_low=settings.clip, epsilon_high=settings.clip_high), "inputs": inputs,
            "torch": torch, "per_token_logps": theirs, "completion_mask": given.mask_AT,
        }  # fmt: skip
        exec(code, names)
        loss.backward()
        names["loss"].backward()
        torch.testing.assert_close(loss, names["loss"], rtol=1e-5, atol=1e-5)
        assert mine.grad is not None and theirs.grad is not None and theirs.grad.abs().sum() > 0
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-5, atol=1e-5)


def by_hand(given: Numbers, advantage_A: Tensor, settings: Grpo) -> float:
    """The papers' sums, one number at a time."""
    answers = []
    for a, length in enumerate(given.tokens_A.tolist()):
        losses = []
        for t in range(length):
            policy, old, reference = (float(x[a, t]) for x in (given.policy_AT, given.old_AT, given.reference_AT))
            ratio, advantage = math.exp(policy - old), float(advantage_A[a])
            bounded = min(max(ratio, 1 - settings.clip), 1 + settings.clip_high)
            kl = math.exp(reference - policy) - (reference - policy) - 1
            losses.append(-min(ratio * advantage, bounded * advantage) + settings.kl * kl)
        answers.append(losses)
    if settings.mean == "tokens":
        return sum(map(sum, answers)) / sum(map(len, answers))
    if settings.mean == "answers":
        return sum(sum(one) / len(one) for one in answers) / len(answers)
    return sum(map(sum, answers)) / (len(answers) * LIMIT)


@pytest.mark.parametrize("mean", ["tokens", "answers", "constant"])
def test_the_loss_is_the_papers_formula(mean: Any) -> None:
    given, settings = Numbers(1), grpo(mean=mean, kl=0.05, clip=0.1, clip_high=0.3)
    rewards = given.reward_PG.tolist()
    advantages = []
    for group in rewards:
        middle = sum(group) / SAMPLES
        spread = math.sqrt(sum((one - middle) ** 2 for one in group) / (SAMPLES - 1))
        advantages += [(one - middle) / (spread + 1e-4) for one in group]
    advantage_A = group_advantages(given.reward_PG, "group").flatten()
    torch.testing.assert_close(advantage_A, torch.tensor(advantages))
    found = float(ours(given, given.policy_AT, advantage_A, settings))
    assert found == pytest.approx(by_hand(given, advantage_A, settings), rel=1e-5)


def test_leave_one_out_is_the_mean_of_the_others() -> None:
    found = leave_one_out(torch.tensor([[1.0, 0.0, 0.0], [5.0, 5.0, 5.0]]), False)
    torch.testing.assert_close(found, torch.tensor([[1.0, -0.5, -0.5], [0.0, 0.0, 0.0]]))


def test_the_gradient_of_a_first_update_is_that_of_reinforce() -> None:
    """Where nothing has moved the ratio is 1, and the gradient is -A of each token."""
    given = Numbers(2)
    policy_N = given.flat(given.old_AT).requires_grad_(True)
    advantage_N = group_advantages(given.reward_PG, "none").flatten()[given.answer_N]
    grpo_loss(policy_N, policy_N.detach(), None, advantage_N, torch.ones_like(policy_N), 1.0, grpo()).total.backward()
    torch.testing.assert_close(policy_N.grad, -advantage_N)


def test_beyond_the_bounds_nothing_pulls_further() -> None:
    log_ratio = torch.tensor([0.5, 0.5, -0.5, -0.5, 0.1], requires_grad=True)
    advantage = torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0])
    loss, held = clipped(log_ratio, advantage, 0.2, 0.28)
    loss.sum().backward()
    assert held.tolist() == [True, False, False, True, False]
    assert log_ratio.grad is not None and ((log_ratio.grad == 0) == held).all()
    assert loss[0].item() == pytest.approx(-1.28) and loss[3].item() == pytest.approx(0.8)


def test_k3_is_an_unbiased_estimate_that_is_never_below_zero() -> None:
    policy, reference = (torch.randn(7, generator=torch.Generator().manual_seed(s)).log_softmax(0) for s in (1, 2))
    exact = float((policy.exp() * (policy - reference)).sum())
    assert float((policy.exp() * k3(policy, reference)).sum()) == pytest.approx(exact, rel=1e-5)
    assert (k3(policy, reference) >= 0).all() and float(k3(policy, policy).sum()) == 0


def test_the_penalty_for_length_begins_at_four_fifths() -> None:
    found = overlong_penalty(torch.tensor([1.0, 80.0, 90.0, 100.0]), 100)
    torch.testing.assert_close(found, torch.tensor([0.0, 0.0, -0.5, -1.0]))


def test_answers_that_are_left_out_weigh_nothing_and_count_as_the_papers_say() -> None:
    tokens_A = torch.tensor([3.0, 0.0, 1.0])
    assert token_weights(tokens_A, "tokens", 10)[1] == 4
    weight_A, weight = token_weights(tokens_A, "answers", 10)
    assert weight == 3 and weight_A[0] == pytest.approx(1 / 3)
    weight_A, weight = token_weights(tokens_A, "constant", 10)
    assert weight == 3 and weight_A[2] == pytest.approx(0.1)
