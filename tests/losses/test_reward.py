"""The loss of a reward model is TRL's own and the closed form of its papers, values and gradients."""

from __future__ import annotations

import inspect
import math
import textwrap
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from whet.losses.reward import reward_loss

PAIRS = 7
CASES = [(False, 0.0), (True, 0.0), (False, 0.01), (True, 0.3)]


def numbers(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    return 3 * torch.randn((2, PAIRS), generator=random), torch.rand(PAIRS, generator=random)


def by_trl(scores_2P: torch.Tensor, margin_P: torch.Tensor | None, center: float) -> torch.Tensor:
    """The very lines of TRL's trainer, from the scores to the mean loss."""
    trainer = import_module("trl").RewardTrainer
    lines = inspect.getsource(trainer.compute_loss).splitlines()
    begin = next(n for n, line in enumerate(lines) if "torch.chunk(outputs.logits" in line)
    end = next(n for n, line in enumerate(lines) if "center_rewards_coefficient * torch.mean" in line)
    names = {
        "self": SimpleNamespace(args=SimpleNamespace(center_rewards_coefficient=center or None)),
        "torch": torch,
        "nn": nn,
        "outputs": SimpleNamespace(logits=scores_2P.reshape(-1, 1)),
        "inputs": {} if margin_P is None else {"margin": margin_P},
    }
    exec(textwrap.dedent("\n".join(lines[begin : end + 1])), names)
    loss = names["loss"]
    assert isinstance(loss, torch.Tensor)
    return loss


@pytest.mark.parametrize(("margins", "center"), CASES)
def test_the_loss_and_its_gradient_are_trls(margins: bool, center: float) -> None:
    for seed in range(4):
        scores, margin = numbers(seed)
        margin_P = margin if margins else None
        mine, theirs = (scores.clone().requires_grad_(True) for _ in range(2))
        out = reward_loss(mine, margin_P, center)
        expected = by_trl(theirs, margin_P, center)
        (out.total / PAIRS).backward()
        expected.backward()
        torch.testing.assert_close(out.total / PAIRS, expected, rtol=1e-5, atol=1e-5)
        assert mine.grad is not None and theirs.grad is not None and theirs.grad.abs().sum() > 0
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("margins", "center"), CASES)
def test_the_loss_and_its_gradient_are_the_closed_form(margins: bool, center: float) -> None:
    scores, margin = numbers(9)
    scores.requires_grad_(True)
    out = reward_loss(scores, margin if margins else None, center)
    out.total.backward()
    chosen, rejected = scores.detach().double().numpy()
    wanted = margin.double().numpy() if margins else np.zeros(PAIRS)
    wrong = 1 / (1 + np.exp(chosen - rejected - wanted))  # the chance that the pair is the other way round
    total = -np.log(1 - wrong).sum() + center * ((chosen + rejected) ** 2).sum()
    assert out.total.item() == pytest.approx(total, rel=1e-5)
    slope = 2 * center * (chosen + rejected)
    assert scores.grad is not None
    np.testing.assert_allclose(scores.grad.numpy(), np.stack([slope - wrong, slope + wrong]), rtol=1e-5, atol=1e-5)


def test_without_any_training_the_loss_is_ln_2_and_no_pair_is_right() -> None:
    scores = torch.zeros(2, PAIRS, requires_grad=True)
    out = reward_loss(scores, None, 0.01)
    assert out.total.item() == pytest.approx(PAIRS * math.log(2))
    assert out.metrics["margin"] == (0.0, PAIRS) and out.metrics["accuracy"] == (0.0, PAIRS)
    out.total.backward()
    assert scores.grad is not None and torch.equal(scores.grad, torch.tensor([[-0.5], [0.5]]).expand(2, PAIRS))


def test_moving_both_scores_costs_only_the_centring_term() -> None:
    scores, _ = numbers(1)
    plain = reward_loss(scores).total, reward_loss(scores + 5).total
    torch.testing.assert_close(*plain)
    assert reward_loss(scores + 5, None, 0.1).total > reward_loss(scores, None, 0.1).total + 1
