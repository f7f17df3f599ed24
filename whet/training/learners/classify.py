"""A classifier: what each output means, what each row is to give, and the loss.

Legend: R rows, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from whet.data.prepare import Prepared, Target
from whet.errors import DataError
from whet.losses.classify import multi_label_loss, regression_loss, single_label_loss
from whet.model.heads.linear import Scorer, leaves_of
from whet.recipe.schema import Classify
from whet.training.learner import BaseLearner, BatchSource
from whet.types import Batch, LossOut

PROBLEMS = {
    "single": "single_label_classification",
    "multi-label": "multi_label_classification",
    "regression": "regression",
}
"""What transformers calls the tasks."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """What the outputs of a classifier mean: classes by name, or one number: score * spread + mean."""

    task: str
    names: tuple[str, ...] = ()
    mean: float = 0.0
    spread: float = 1.0

    @property
    def count(self) -> int:
        return len(self.names) if self.names else 1

    def config(self) -> dict[str, Any]:
        """For config.json, in the words of transformers."""
        names = self.names or ("number",)
        facts: dict[str, Any] = {
            "problem_type": PROBLEMS[self.task],
            "id2label": dict(enumerate(names)),
            "label2id": {name: number for number, name in enumerate(names)},
        }
        return facts | ({} if self.names else {"regression_mean": self.mean, "regression_spread": self.spread})


def outputs_of(settings: Classify, prepared: Prepared) -> Outputs:
    """Classes of the training and validation rows, numbers by size and words by letter. Raises DataError where there
    is nothing to tell apart."""
    trained = targets_of(prepared, "train")
    if settings.task == "regression":
        numbers = torch.tensor(trained, dtype=torch.float64)
        if len(set(numbers.tolist())) < 2:
            raise DataError("all training rows have the same number, so there is nothing to learn", value=trained[:1])
        return Outputs(settings.task, mean=float(numbers.mean()), spread=float(numbers.std(correction=0)))

    held = targets_of(prepared, "validation")
    classes = set()
    for row in [*trained, *held]:
        if isinstance(row, list):
            for name in row:
                classes.add(name)
    if len(classes) < (2 if settings.task == "single" else 1):
        fix = "check columns.label; one class cannot be told from another"
        raise DataError(f"the rows have {len(classes)} class(es)", value=sorted(classes), fix=fix)
    if settings.task == "single" and len(classes) > len(trained) / 2:
        what = f"{len(classes)} different classes in {len(trained)} training rows: too few rows of each to learn from"
        raise DataError(
            what, value=sorted(classes)[:3], fix="check columns.label; for numbers, method.task: regression"
        )

    return Outputs(settings.task, tuple(sorted(classes, key=_by_size)))


def _by_size(name: str) -> tuple[float, str]:
    if name.isdecimal():
        return (float(name), name)
    return (float("inf"), name)


def targets_of(prepared: Prepared, part: str) -> list[Target]:
    """What the rows of a part are to give, in the order of the part."""
    segments = getattr(prepared, part)
    return [prepared.targets[row] for row in segments.rows.tolist()]


def class_weights(settings: Classify, outputs: Outputs, targets: list[Target]) -> Tensor | None:
    """balanced: rows / (classes * rows of the class), whose mean over the rows is 1 (as scikit-learn has it); with
    several labels a row, rows without the class for each row with it."""
    if settings.class_weights == "none" or not outputs.names:
        return None
    classes_RK = encoded(outputs, targets)
    count_K = classes_RK.sum(0).clamp_min(1.0)
    rows = len(targets)

    if outputs.task == "multi-label":
        return ((rows - count_K) / count_K).clamp_min(1.0 / rows)
    return rows / (len(outputs.names) * count_K)


def encoded(outputs: Outputs, targets: list[Target]) -> Tensor:
    """Which classes each row has, shape (R, K): 0 or 1. A class that the model does not know is left out."""
    place = {name: number for number, name in enumerate(outputs.names)}
    classes_RK = torch.zeros(len(targets), len(outputs.names))
    for number, names in enumerate(targets):
        assert isinstance(names, list)
        classes_RK[number, [place[name] for name in names if name in place]] = 1.0
    return classes_RK


@dataclass(slots=True)
class ClassifyLearner(BaseLearner):
    """classify: one output a class, or one number."""

    scorer: Scorer
    source: BatchSource
    outputs: Outputs
    weight_K: Tensor | None
    targets: dict[int, Target]

    def batches(self, step: int) -> list[Batch]:
        return self.source.step(step)

    def loss(self, batch: Batch) -> LossOut:
        scores_RK = self.scorer.scores(batch)
        rows = [self.targets[batch.rows[leaf]] for leaf in leaves_of(batch)]

        outputs, device = self.outputs, scores_RK.device
        if not outputs.names:
            numbers = torch.tensor(rows, dtype=scores_RK.dtype, device=device)
            return regression_loss(scores_RK, (numbers - outputs.mean) / outputs.spread)

        classes_RK = encoded(outputs, rows).to(device)
        if self.weight_K is None:
            weight_K = None
        else:
            weight_K = self.weight_K.to(device, scores_RK.dtype)

        if outputs.task == "multi-label":
            return multi_label_loss(scores_RK, classes_RK, weight_K)
        return single_label_loss(scores_RK, classes_RK.argmax(-1), weight_K)
