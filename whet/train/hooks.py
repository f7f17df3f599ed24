"""What happens between steps: validate, protect the best weights, stop early, checkpoint."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from whet.errors import NonFiniteError
from whet.model.policy import Policy, evaluating
from whet.pulse import saying
from whet.store.run import Run
from whet.train.checkpoint import Progress, save_best, save_last
from whet.train.observer import Observer
from whet.train.optim import MasterOptimizer
from whet.types import Batch, LossOut


def mean_loss(policy: Policy, loss: Callable[[Batch], LossOut], batches: Iterable[Batch]) -> float | None:
    """Sum of a method's loss over sum of weights: does not depend on how the rows are batched. None without rows."""
    total = weight = 0.0
    with torch.no_grad(), evaluating(policy.model):
        for batch in batches:
            total += float(loss(batch).total)
            weight += batch.weight
    return total / weight if weight else None


@dataclass(slots=True)
class Validator:
    """Measures the validation loss, keeps the best weights, and says in words why it stops."""

    policy: Policy
    loss: Callable[[Batch], LossOut]
    batches: Callable[[], Iterable[Batch]]
    run: Run
    progress: Progress
    observer: Observer
    every: int
    total: int
    patience: int
    early_stop: bool
    reward: Callable[[], float] | None = None
    """A mean reward on the validation rows, where the method has one: it takes the place of the loss, and more is
    better. `Progress.best_loss` then holds it with its sign turned."""

    def __call__(self, step: int, loss: float) -> bool:
        self.progress.losses.append(loss)
        if step % self.every and step != self.total:
            return False
        self.measure(step)
        return self.early_stop and self._should_stop(step)

    def measure(self, step: int) -> None:
        with saying("validation"):
            validation = mean_loss(self.policy, self.loss, self.batches()) if self.reward is None else -self.reward()
        if validation is None:
            self._without_rows(step)
            return
        name, sign = ("loss", 1) if self.reward is None else ("reward", -1)
        if not math.isfinite(validation):
            raise NonFiniteError(
                f"the validation {name} is not finite",
                where=f"step {step}",
                value=validation,
                fix="lower learning_rate, or set dtype: float32",
            )
        training = sum(self.progress.losses) / len(self.progress.losses) if self.progress.losses else float("nan")
        self.progress.losses.clear()
        self.progress.validations.append((step, validation, training))
        self.run.log({"step": step, f"validation_{name}": sign * validation})
        if self.progress.best_loss is None or validation < self.progress.best_loss:
            self.progress.best_loss, self.progress.best_step = validation, step
            save_best(self.run.folder / "checkpoints" / "best", self.policy.trainable())
        best = sign * self.progress.best_loss
        self.observer.note(f"step {step}: validation {name} {sign * validation:.4f} (best {best:.4f})")

    def _without_rows(self, step: int) -> None:
        """Nothing is held out for validation, as the recipe asks: the last weights are the ones to keep."""
        if step == 0:
            self.observer.note("no validation rows: nothing stops the training early, and the last weights are kept")
        if step == self.total:
            self.progress.best_step = step
            save_best(self.run.folder / "checkpoints" / "best", self.policy.trainable())

    def _should_stop(self, step: int) -> bool:
        since = [entry for entry in self.progress.validations if entry[0] > self.progress.best_step]
        if len(since) < self.patience or step == self.total:
            return False
        if self.reward is None:
            falling = since[-1][2] < since[0][2]
            cause = "training loss fell: the model is memorising" if falling else "training loss did not fall either"
            why = f"validation loss did not improve for {len(since)} evaluations while {cause}"
        else:
            why = f"validation reward did not improve for {len(since)} evaluations"
        self.progress.stopped = f"{why}; kept step {self.progress.best_step}"
        self.observer.note(self.progress.stopped)
        return True


@dataclass(slots=True)
class Checkpointer:
    """Writes `last`, so that a killed run goes on."""

    optimizer: MasterOptimizer
    folder: Path
    progress: Progress
    every: int
    total: int

    def __call__(self, step: int, loss: float) -> bool:
        self.progress.step = step
        if step % self.every == 0 and step != self.total:
            save_last(self.folder, self.progress, self.optimizer)
        return False
