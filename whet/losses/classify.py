"""Losses of a classifier: those that transformers' sequence classifiers compute, summed over rows, with class weights.

Legend: R rows, K classes.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss

from whet.types import LossOut


def single_label_loss(scores_RK: Tensor, class_R: Tensor, weight_K: Tensor | None = None) -> LossOut:
    """Cross entropy in nats; `weight_K` multiplies the loss of the rows of a class."""
    total = cross_entropy(scores_RK, class_R, weight_K, reduction="sum")
    return _out(total, scores_RK, (scores_RK.argmax(-1) == class_R).sum())


def multi_label_loss(scores_RK: Tensor, classes_RK: Tensor, weight_K: Tensor | None = None) -> LossOut:
    """Binary cross entropy in nats, the mean over classes; `weight_K` multiplies the loss where a class is there."""
    loss_RK = binary_cross_entropy_with_logits(scores_RK, classes_RK, pos_weight=weight_K, reduction="none")
    right_R = ((scores_RK > 0) == (classes_RK > 0.5)).all(-1)
    return _out(loss_RK.mean(-1).sum(), scores_RK, right_R.sum())


def regression_loss(scores_R1: Tensor, number_R: Tensor) -> LossOut:
    """Squared error, of numbers in units of their spread."""
    total = mse_loss(scores_R1[:, 0], number_R, reduction="sum")
    return LossOut(total, {"loss": (total.item(), float(len(number_R)))})


def _out(total: Tensor, scores_RK: Tensor, right: Tensor) -> LossOut:
    rows = float(scores_RK.shape[0])
    return LossOut(total, {"loss": (total.item(), rows), "accuracy": (right.item(), rows)})
