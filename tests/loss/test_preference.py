"""The losses of preference pairs are TRL's own, values and gradients; sums run over the right tokens."""

from __future__ import annotations

import inspect
import math
import textwrap
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional

from tests.tiny_models import segments_of
from whet.data.forest import build_batch
from whet.loss.preference import answer_sums, answers_of, preference_loss, sigmoid
from whet.recipe.schema import Dpo

PAIRS = 7


def numbers(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    policy = -40 * torch.rand((2, PAIRS), generator=random)
    reference = policy + 3 * torch.randn((2, PAIRS), generator=random)
    return policy, reference, torch.randint(1, 30, (2, PAIRS), generator=random).float()


def by_trl(kind: str, policy: torch.Tensor, reference: torch.Tensor, tokens: torch.Tensor, beta: float) -> torch.Tensor:
    """The very lines of TRL's trainer, from the log ratios to the mean loss."""
    trainer = pytest.importorskip("trl.trainer.dpo_trainer")
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
        "completion_mask": (torch.arange(longest) < tokens.reshape(-1, 1)).long(),
    }
    exec(textwrap.dedent("\n".join(lines[begin : end + 1])), names)
    loss = names["loss"]
    assert isinstance(loss, torch.Tensor)
    return loss


@pytest.mark.parametrize("beta", [0.05, 0.1, 1.0])
@pytest.mark.parametrize("kind", ["sigmoid", "hinge", "ipo"])
def test_the_loss_and_its_gradient_are_trls(kind: str, beta: float) -> None:
    for seed in range(4):
        policy, reference, tokens = numbers(seed)
        mine, theirs = (policy.clone().requires_grad_(True) for _ in range(2))
        out = preference_loss(mine, reference, tokens, Dpo(loss=kind, beta=beta))  # type: ignore[arg-type]
        expected = by_trl(kind, theirs, reference, tokens, beta)
        (out.total / PAIRS).backward()
        expected.backward()
        torch.testing.assert_close(out.total / PAIRS, expected, rtol=1e-5, atol=1e-5)
        assert mine.grad is not None and theirs.grad is not None and theirs.grad.abs().sum() > 0
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-5, atol=1e-5)


def test_smoothing_is_the_loss_expected_when_some_pairs_are_the_wrong_way_round() -> None:
    policy, reference, tokens = numbers(0)
    swapped = [x.flip(0) for x in (policy, reference, tokens)]
    right = preference_loss(policy, reference, tokens, Dpo()).total
    wrong = preference_loss(*swapped, Dpo()).total
    smooth = preference_loss(policy, reference, tokens, Dpo(label_smoothing=0.2)).total
    torch.testing.assert_close(smooth, 0.8 * right + 0.2 * wrong)
    assert sigmoid(torch.tensor(100.0), 0.2) > sigmoid(torch.tensor(2.0), 0.2), "certainty is punished"


def test_without_any_change_the_loss_is_ln_2_and_no_pair_is_right() -> None:
    policy, _, tokens = numbers(0)
    out = preference_loss(policy, policy.clone(), tokens, Dpo())
    assert out.total.item() == pytest.approx(PAIRS * math.log(2))
    assert out.metrics["margin"] == (0.0, PAIRS) and out.metrics["accuracy"] == (0.0, PAIRS)


def test_each_answer_sums_its_own_tokens_chosen_first() -> None:
    segments = segments_of((4, None), (3, 0), (5, 0), (6, None), (2, 3), (1, 3))
    for root in (0, 3):
        segments[root].weights = [0.0] * len(segments[root].ids)
    batch = build_batch(segments)
    assert answers_of(batch).tolist() == [[1, 4], [2, 5]]
    assert answer_sums(torch.ones_like(batch.weight_N), batch).tolist() == [[3, 2], [5, 1]]


def test_a_batch_that_is_not_made_of_pairs_is_refused() -> None:
    with pytest.raises(ValueError, match="two answers"):
        answers_of(build_batch(segments_of((4, None), (3, 0))))
