"""The losses of a classifier are transformers' own, values and gradients; weights do what they say."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from transformers.loss.loss_utils import ForSequenceClassificationLoss

from whet.losses.classify import multi_label_loss, regression_loss, single_label_loss
from whet.types import LossOut

ROWS, CLASSES = 6, 4


def scores(seed: int, outputs: int = CLASSES) -> torch.Tensor:
    return 2 * torch.randn((ROWS, outputs), generator=torch.Generator().manual_seed(seed))


def by_transformers(problem: str, score: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    config = SimpleNamespace(problem_type=problem, num_labels=score.shape[1])
    return ForSequenceClassificationLoss(labels, score, config)


def same(out: LossOut, mine: torch.Tensor, expected: torch.Tensor, theirs: torch.Tensor) -> None:
    (out.total / ROWS).backward()
    expected.backward()
    torch.testing.assert_close(out.total / ROWS, expected, rtol=1e-5, atol=1e-6)
    assert mine.grad is not None and theirs.grad is not None and mine.grad.abs().sum() > 0
    torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-5, atol=1e-6)


def test_one_class_a_row_is_cross_entropy() -> None:
    mine, theirs = (scores(0).requires_grad_(True) for _ in range(2))
    labels = torch.tensor([0, 3, 1, 1, 2, 0])
    same(single_label_loss(mine, labels), mine, by_transformers("single_label_classification", theirs, labels), theirs)


def test_several_classes_a_row_are_binary_cross_entropies() -> None:
    mine, theirs = (scores(1).requires_grad_(True) for _ in range(2))
    labels = (scores(2) > 0).float()
    expected = by_transformers("multi_label_classification", theirs, labels)
    same(multi_label_loss(mine, labels), mine, expected, theirs)


def test_a_number_is_a_squared_error() -> None:
    mine, theirs = (scores(3, 1).requires_grad_(True) for _ in range(2))
    same(regression_loss(mine, scores(4)[:, 0]), mine, by_transformers("regression", theirs, scores(4)[:, 0]), theirs)


def test_a_weight_multiplies_the_loss_of_its_class() -> None:
    score, labels = scores(5), torch.tensor([0, 3, 1, 1, 2, 0])
    weight = torch.tensor([2.0, 1.0, 1.0, 1.0])
    plain, weighted = single_label_loss(score, labels).total, single_label_loss(score, labels, weight).total
    rows_0 = single_label_loss(score[labels == 0], labels[labels == 0]).total
    torch.testing.assert_close(weighted, plain + rows_0)
    there = (scores(6) > 0).float()
    weighted = multi_label_loss(score, there, weight).total - multi_label_loss(score, there).total
    here = there[:, 0] > 0
    extra = -torch.nn.functional.logsigmoid(score[here, 0]).sum() / CLASSES
    torch.testing.assert_close(weighted, extra)


def test_right_rows_are_counted() -> None:
    score = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 2.0]])
    assert single_label_loss(score, torch.tensor([0, 0, 1])).metrics["accuracy"] == (2.0, 3.0)
    there = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    given = torch.tensor([[1.0, -1.0], [1.0, 1.0], [2.0, 2.0]])
    assert multi_label_loss(given, there).metrics["accuracy"] == (2.0, 3.0)


@pytest.mark.parametrize("loss", [single_label_loss, multi_label_loss])
def test_no_weights_are_weights_of_one(loss: object) -> None:
    labels = torch.tensor([0, 3, 1, 1, 2, 0]) if loss is single_label_loss else (scores(2) > 0).float()
    with_ones = loss(scores(7), labels, torch.ones(CLASSES)).total  # type: ignore[operator]
    torch.testing.assert_close(loss(scores(7), labels).total, with_ones)  # type: ignore[operator]
