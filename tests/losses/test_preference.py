"""The losses of preference pairs are TRL's own, values and gradients; sums run over the right tokens."""

from __future__ import annotations

import inspect
import math
import textwrap
from collections.abc import Callable
from importlib import import_module
from types import SimpleNamespace
from typing import get_args

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.tiny_models import segments_of
from whet.data.batches.forest import build_batch
from whet.losses.answers import paired_answers, sum_over
from whet.losses.preference import OBJECTIVES, log1mexp, preference_loss, sigmoid
from whet.recipe.methods.dpo import BETA
from whet.recipe.schema import Dpo

PAIRS = 7
CPU = SimpleNamespace(device="cpu")
REFERENCED = [name for name, objective in OBJECTIVES.items() if objective.needs_reference]
Numbers = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def numbers(seed: int) -> Numbers:
    random = torch.Generator().manual_seed(seed)
    policy = -40 * torch.rand((2, PAIRS), generator=random)
    reference = policy + 3 * torch.randn((2, PAIRS), generator=random)
    return policy, reference, torch.randint(1, 30, (2, PAIRS), generator=random).float()


def by_trl(kind: str, policy: torch.Tensor, reference: torch.Tensor, tokens: torch.Tensor, beta: float) -> torch.Tensor:
    """The very lines of TRL's trainer, from the log ratios to the mean loss."""
    trainer = import_module("trl.trainer.dpo_trainer")
    lines = inspect.getsource(trainer.DPOTrainer._compute_loss).splitlines()
    begin = next(n for n, line in enumerate(lines) if line.strip() == "delta_score = chosen_scores - rejected_scores")
    end = next(n for n, line in enumerate(lines) if "per_sequence_loss.mean() * loss_weight" in line)
    longest = int(tokens.max())
    own = SimpleNamespace(beta=beta, loss_types=[kind], loss_weights=[1.0], use_weighting=False)
    names = {
        "self": own,
        "torch": torch,
        "F": functional,
        "chosen_scores": policy[0] - reference[0],
        "rejected_scores": policy[1] - reference[1],
        "chosen_logratios": policy[0] - reference[0],
        "rejected_logratios": policy[1] - reference[1],
        "completion_mask": (torch.arange(longest) < tokens.reshape(-1, 1)).long(),
    }
    exec(textwrap.dedent("\n".join(lines[begin : end + 1])), names)
    loss = names["loss"]
    assert isinstance(loss, torch.Tensor)
    return loss


def settings_of(kind: str, beta: float = 0.1, **keys: float) -> Dpo:
    gamma = 0.7 if kind == "simpo" else None
    return Dpo.model_validate({"loss": kind, "beta": beta, "gamma": gamma, **keys})


def ours(kind: str, numbers: Numbers, beta: float, **keys: float) -> tuple[torch.Tensor, torch.Tensor]:
    """(mean loss, its gradient by the policy's log-probabilities)."""
    policy, reference, tokens = numbers
    policy = policy.clone().requires_grad_(True)
    seen = reference if OBJECTIVES[kind].needs_reference else None
    mean = preference_loss(policy, seen, tokens, settings_of(kind, beta, **keys)).total / PAIRS
    mean.backward()
    assert policy.grad is not None and policy.grad.abs().sum() > 0
    return mean.detach(), policy.grad


def assert_same(mine: tuple[torch.Tensor, torch.Tensor], loss: torch.Tensor, gradient: torch.Tensor | None) -> None:
    assert gradient is not None
    torch.testing.assert_close(mine[0], loss.detach(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(mine[1], gradient, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("beta", [0.05, 0.1, 1.0, 5.0])
@pytest.mark.parametrize("kind", REFERENCED)
def test_the_loss_and_its_gradient_are_trls(kind: str, beta: float) -> None:
    for seed in range(4):
        policy, reference, tokens = numbers(seed)
        theirs = policy.clone().requires_grad_(True)
        expected = by_trl(kind.replace("-", "_"), theirs, reference, tokens, beta)
        expected.backward()
        assert_same(ours(kind, (policy, reference, tokens), beta), expected, theirs.grad)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_simpo_and_its_gradient_are_trls(smoothing: float) -> None:
    trainer = import_module("trl.experimental.cpo.cpo_trainer").CPOTrainer
    for seed in range(4):
        policy, reference, tokens = numbers(seed)
        theirs = policy.clone().requires_grad_(True)
        own = SimpleNamespace(
            beta=2.0, alpha=0.0, loss_type="simpo", simpo_gamma=0.7, label_smoothing=smoothing, accelerator=CPU
        )
        losses, _, _ = trainer.cpo_loss(own, *(theirs / tokens))
        losses.mean().backward()
        mine = ours("simpo", (policy, reference, tokens), 2.0, label_smoothing=smoothing)
        assert_same(mine, losses.mean(), theirs.grad)


def test_orpo_and_its_gradient_are_trls() -> None:
    trainer = import_module("trl.experimental.orpo.orpo_trainer").ORPOTrainer
    for seed in range(4):
        policy, reference, tokens = numbers(seed)
        theirs = policy.clone().requires_grad_(True)
        mean = theirs / tokens
        ratio = trainer.odds_ratio_loss(SimpleNamespace(beta=0.1, accelerator=CPU), *mean)[0]
        expected = -mean[0].mean() - ratio.mean()  # TRL's last line, with the answer's own loss a pair
        expected.backward()
        assert_same(ours("orpo", (policy, reference, tokens), 0.1, sft_weight=1.0), expected, theirs.grad)


def logistic(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def softplus(x: np.ndarray) -> np.ndarray:
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)


FORMS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray, float], np.ndarray]] = {
    "sigmoid": lambda p, r, n, b: softplus(-b * ((p[0] - r[0]) - (p[1] - r[1]))),
    "sigmoid-norm": lambda p, r, n, b: softplus(-b * ((p[0] - r[0]) / n[0] - (p[1] - r[1]) / n[1])),
    "hinge": lambda p, r, n, b: np.maximum(0, 1 - b * ((p[0] - r[0]) - (p[1] - r[1]))),
    "ipo": lambda p, r, n, b: ((p[0] - r[0]) / n[0] - (p[1] - r[1]) / n[1] - 1 / (2 * b)) ** 2,
    "apo-zero": lambda p, r, n, b: logistic(b * (p[1] - r[1])) - logistic(b * (p[0] - r[0])) + 1,
    "apo-down": lambda p, r, n, b: logistic(b * (p[0] - r[0])) - logistic(b * ((p[0] - r[0]) - (p[1] - r[1]))) + 1,
    "simpo": lambda p, r, n, b: softplus(-(b * p[0] / n[0] - b * p[1] / n[1] - 0.7)),
    "orpo": lambda p, r, n, b: b * softplus(-(np.log(odds(p[0] / n[0])) - np.log(odds(p[1] / n[1])))),
}
"""The papers' formulas in double precision: beside TRL, which need not be installed."""


def odds(mean: np.ndarray) -> np.ndarray:
    return np.exp(mean) / (1 - np.exp(mean))


@pytest.mark.parametrize("sft_weight", [0.0, 0.5])
@pytest.mark.parametrize("kind", FORMS)
def test_the_loss_and_its_gradient_are_the_papers(kind: str, sft_weight: float) -> None:
    """Gradients by central differences of the closed form."""
    for seed in range(4):
        given = numbers(seed)
        policy, reference, tokens = (x.double().numpy() for x in given)

        def closed(p: np.ndarray, reference: np.ndarray = reference, tokens: np.ndarray = tokens) -> float:
            return float((FORMS[kind](p, reference, tokens, 0.3) - sft_weight * p[0] / tokens[0]).mean())

        slope = np.zeros_like(policy)
        for place in np.ndindex(*policy.shape):
            step = np.zeros_like(policy)
            step[place] = 1e-5
            slope[place] = (closed(policy + step) - closed(policy - step)) / 2e-5
        mine = ours(kind, given, 0.3, sft_weight=sft_weight)
        assert float(mine[0]) == pytest.approx(closed(policy), rel=1e-5, abs=1e-5)
        torch.testing.assert_close(mine[1].double(), torch.from_numpy(slope), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", sorted(set(OBJECTIVES) - set(REFERENCED)))
def test_a_loss_without_a_reference_does_not_look_at_one(kind: str) -> None:
    policy, reference, tokens = numbers(0)
    settings = settings_of(kind)
    without = preference_loss(policy, None, tokens, settings).total
    assert torch.equal(without, preference_loss(policy, reference, tokens, settings).total)


@pytest.mark.parametrize("kind", REFERENCED)
def test_a_loss_with_a_reference_does_not_do_without(kind: str) -> None:
    policy, _, tokens = numbers(0)
    with pytest.raises(ValueError, match="what the base says"):
        preference_loss(policy, None, tokens, settings_of(kind))


def test_the_recipe_offers_the_losses_that_there_are_and_has_a_beta_for_each() -> None:
    offered = get_args(Dpo.model_fields["loss"].annotation)
    assert set(offered) == set(OBJECTIVES) == set(BETA) == set(FORMS)


@pytest.mark.parametrize(
    ("kind", "chosen", "rejected", "falls"),
    [
        ("apo-zero", 0.0, 0.0, (-0.25, 0.25)),
        ("apo-zero", 2.0, -3.0, (-0.1050, 0.0452)),
        ("apo-zero", -2.0, -3.0, (-0.1050, 0.0452)),
        ("apo-down", 0.0, 0.0, (0.0, 0.25)),
        ("apo-down", 0.0, -2.0, (0.1450, 0.1050)),
        ("apo-down", -1.0, -3.0, (0.0916, 0.1050)),
        ("apo-down", -1.0, -2.0, (0.0, 0.1966)),
    ],
)
@pytest.mark.parametrize("beta", [0.1, 1.0])
def test_apo_moves_each_answer_from_where_the_base_has_it(
    kind: str, chosen: float, rejected: float, falls: tuple[float, float], beta: float
) -> None:
    """Slopes by hand, s(x) (1 - s(x)) with s the logistic function, of answers whose rewards are given: below 0 the
    answer becomes likelier."""
    policy = torch.tensor([[chosen], [rejected]]) / beta - 30
    policy.requires_grad_(True)
    preference_loss(policy, torch.full((2, 1), -30.0), torch.ones(2, 1), settings_of(kind, beta)).total.backward()
    assert policy.grad is not None
    torch.testing.assert_close(policy.grad.flatten() / beta, torch.tensor(falls), rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", ["apo-zero", "apo-down"])
def test_apo_leaves_a_pair_alone_that_is_far_along(kind: str) -> None:
    goal = torch.tensor([[50.0], [-50.0]] if kind == "apo-zero" else [[-50.0], [-100.0]], requires_grad=True)
    out = preference_loss(goal, torch.zeros(2, 1), torch.ones(2, 1), settings_of(kind, 1.0))
    out.total.backward()
    assert 0 <= out.total.item() < 1e-6 and goal.grad is not None and goal.grad.abs().max() < 1e-6


def test_a_certain_answer_gives_finite_odds_and_gradients() -> None:
    mean = torch.tensor([-1e-9, -1e-4, -0.5, -0.6931, -0.7, -30.0, -200.0], requires_grad=True)
    found = log1mexp(mean)
    found.sum().backward()
    assert mean.grad is not None and torch.isfinite(found).all() and torch.isfinite(mean.grad).all()
    exact = np.log(-np.expm1(mean.detach().double().numpy()[1:]))
    torch.testing.assert_close(found.detach()[1:].double(), torch.from_numpy(exact), rtol=1e-5, atol=1e-7)


def test_smoothing_is_the_loss_expected_when_some_pairs_are_the_wrong_way_round() -> None:
    policy, reference, tokens = numbers(0)
    swapped = policy.flip(0), reference.flip(0), tokens.flip(0)
    right = preference_loss(policy, reference, tokens, Dpo(beta=0.1)).total
    wrong = preference_loss(*swapped, Dpo(beta=0.1)).total
    smooth = preference_loss(policy, reference, tokens, Dpo(beta=0.1, label_smoothing=0.2)).total
    torch.testing.assert_close(smooth, 0.8 * right + 0.2 * wrong)
    assert sigmoid(torch.tensor(100.0), 0.2) > sigmoid(torch.tensor(2.0), 0.2), "certainty is punished"


def test_without_any_change_the_loss_is_ln_2_and_no_pair_is_right() -> None:
    policy, _, tokens = numbers(0)
    out = preference_loss(policy, policy.clone(), tokens, Dpo(beta=0.1))
    assert out.total.item() == pytest.approx(PAIRS * math.log(2))
    assert out.metrics["margin"] == (0.0, PAIRS) and out.metrics["accuracy"] == (0.0, PAIRS)


def test_each_answer_sums_its_own_tokens_chosen_first() -> None:
    segments = segments_of((4, None), (3, 0), (5, 0), (6, None), (2, 3), (1, 3))
    for root in (0, 3):
        segments[root].weights = [0.0] * len(segments[root].ids)
    batch = build_batch(segments)
    assert paired_answers(batch).tolist() == [[1, 4], [2, 5]]
    assert sum_over(paired_answers(batch), torch.ones_like(batch.weight_N), batch).tolist() == [[3, 2], [5, 1]]


def test_a_batch_that_is_not_made_of_pairs_is_refused() -> None:
    with pytest.raises(ValueError, match="two answers"):
        paired_answers(build_batch(segments_of((4, None), (3, 0))))
