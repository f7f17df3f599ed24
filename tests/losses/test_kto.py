"""The loss of marked answers is TRL's own and the paper's, values and gradients."""

from __future__ import annotations

import inspect
import textwrap
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.tiny_models import segments_of
from whet.data.batches.forest import build_batch
from whet.losses.answers import single_answers, sum_over
from whet.losses.kto import kto_loss, reference_point
from whet.recipe.schema import Kto

ANSWERS = 9
SETTINGS = Kto(beta=0.3, desirable_weight=1.0, undesirable_weight=1.7)


def numbers(seed: int) -> tuple[torch.Tensor, ...]:
    """(policy, reference, which are good, policy and reference of the mismatched pairs)."""
    random = torch.Generator().manual_seed(seed)
    policy, strangers = -40 * torch.rand((2, ANSWERS), generator=random)
    reference = policy + 3 * torch.randn(ANSWERS, generator=random)
    before = strangers + torch.randn(ANSWERS, generator=random) - 0.5 + seed % 2
    return policy, reference, torch.rand(ANSWERS, generator=random) < 0.6, strangers, before


def by_trl(policy: torch.Tensor, given: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """The very lines of TRL's trainer, from the log-probabilities to the mean loss."""
    trainer = import_module("trl.trainer.kto_trainer")
    _, reference, good, strangers, before = given
    lines = inspect.getsource(trainer.KTOTrainer._compute_loss).splitlines()
    begin = next(n for n, line in enumerate(lines) if line.strip() == "kl = (KL_logps - ref_KL_logps).mean().detach()")
    end = next(n for n, line in enumerate(lines) if "self._metrics[mode]" in line and '"kl"' in line)
    own = SimpleNamespace(
        beta=SETTINGS.beta,
        loss_type="kto",
        calculate_KL=True,
        desirable_weight=SETTINGS.desirable_weight,
        undesirable_weight=SETTINGS.undesirable_weight,
        accelerator=SimpleNamespace(gather_for_metrics=lambda x: x, device="cpu"),
    )
    names = {
        "self": own,
        "torch": torch,
        "F": functional,
        "KL_logps": strangers,
        "ref_KL_logps": before,
        "chosen_logps": policy[good],
        "rejected_logps": policy[~good],
        "ref_chosen_logps": reference[good],
        "ref_rejected_logps": reference[~good],
    }
    exec(textwrap.dedent("\n".join(lines[begin - 1 : end])), names)
    losses = names["losses"]
    assert isinstance(losses, torch.Tensor)
    return losses.nanmean()


def closed(policy: np.ndarray, reference: np.ndarray, good: np.ndarray, z0: float) -> float:
    """Equations 6 and 7 of arXiv 2402.01306: the mean of lambda_y - v(x, y)."""
    ratio = policy - reference
    value = np.where(good, 1 / (1 + np.exp(-0.3 * (ratio - z0))), 1.7 / (1 + np.exp(-0.3 * (z0 - ratio))))
    return float((np.where(good, 1.0, 1.7) - value).mean())


def ours(given: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, torch.Tensor, float]:
    policy, reference, good, strangers, before = given
    policy = policy.clone().requires_grad_(True)
    point = reference_point(strangers, before)
    mean = kto_loss(policy, reference, good, point, SETTINGS).total / ANSWERS
    mean.backward()
    assert policy.grad is not None
    return mean.detach(), policy.grad, point


def test_the_loss_and_its_gradient_are_trls() -> None:
    for seed in range(6):
        given = numbers(seed)
        theirs = given[0].clone().requires_grad_(True)
        expected = by_trl(theirs, given)
        expected.backward()
        loss, gradient, _ = ours(given)
        torch.testing.assert_close(loss, expected.detach(), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(gradient, theirs.grad, rtol=1e-5, atol=1e-5)


def test_the_loss_and_its_gradient_are_the_papers() -> None:
    points = []
    for seed in range(6):
        given = numbers(seed)
        loss, gradient, point = ours(given)
        policy, reference, good = (x.double().numpy() for x in given[:3])
        good = good > 0
        assert float(loss) == pytest.approx(closed(policy, reference, good, point), rel=1e-5)
        step = 1e-5 * np.eye(ANSWERS)
        slope = [
            (closed(policy + s, reference, good, point) - closed(policy - s, reference, good, point)) / 2e-5
            for s in step
        ]
        torch.testing.assert_close(gradient.double(), torch.tensor(slope, dtype=torch.float64), rtol=1e-5, atol=1e-6)
        points.append(point)
    assert min(points) == 0.0 < max(points), "both sides of the clamp were seen"


def test_a_good_answer_is_pushed_up_and_a_bad_one_down() -> None:
    given = numbers(1)
    _, gradient, _ = ours(given)
    assert (gradient[given[2]] < 0).all() and (gradient[~given[2]] > 0).all()


def test_before_any_change_every_answer_costs_half_its_weight() -> None:
    policy, _, good, _, _ = numbers(0)
    out = kto_loss(policy, policy.clone(), good, 0.0, SETTINGS)
    assert out.total.item() == pytest.approx(0.5 * float(good.sum()) + 0.85 * float((~good).sum()))
    assert out.metrics["reward_good"][0] == out.metrics["reward_bad"][0] == out.metrics["accuracy"][0] == 0.0


def test_each_answer_sums_its_own_tokens_in_the_order_of_the_prompts() -> None:
    segments = segments_of((4, None), (3, 0), (6, None), (2, 2))
    for root in (0, 2):
        segments[root].weights = [0.0] * len(segments[root].ids)
    batch = build_batch(segments)
    assert single_answers(batch).tolist() == [1, 3]
    assert sum_over(single_answers(batch), torch.ones_like(batch.weight_N), batch).tolist() == [3, 2]
    with pytest.raises(ValueError, match="one answer each"):
        single_answers(build_batch(segments_of((4, None), (3, 0), (2, 0))))
