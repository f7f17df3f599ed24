"""What happens between steps: validate, protect the best weights, hold or lower the rate, stop early, checkpoint."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from whet.errors import NonFiniteError, count
from whet.model.policy import Policy, evaluating
from whet.observer import Observer
from whet.pulse import saying
from whet.store.run import Run
from whet.training.checkpoint import TrainingState, load_best, save_best, save_last
from whet.training.loss_rise import rise
from whet.training.optimizers.master_weights import MasterOptimizer
from whet.training.optimizers.rate_hold import Hold, standard_error, still_falling, still_rising
from whet.types import Batch, LossOut


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The validation rows: mean loss, and the share that is answered right where the method says, of so many rows."""

    loss: float
    accuracy: float | None = None
    rows: float = 0.0
    parts: tuple[tuple[float, float], ...] = ()
    """Sum of losses and of weights of each batch, which are cut alike every time."""
    examples: int = 0
    """Rows that were read, whether they are right or wrong in the method's eyes or not."""
    scored: bool = False
    """`loss` is a mean reward with its sign turned."""


def held_out(policy: Policy, loss: Callable[[Batch], LossOut], batches: Iterable[Batch]) -> HeldOut | None:
    """Sum of a method's loss over sum of weights: does not depend on how the rows are batched. None without rows."""
    right = rows = 0.0
    parts: list[tuple[float, float]] = []

    read: set[int] = set()
    with torch.no_grad(), evaluating(policy.model):
        for batch in batches:
            out = loss(batch)
            parts.append((float(out.total), batch.weight))
            read.update(batch.rows)
            some_right, some_rows = out.metrics.get("accuracy", (0.0, 0.0))
            right, rows = right + some_right, rows + some_rows

    total = sum(loss for loss, _ in parts)
    weight = sum(weight for _, weight in parts)
    if not weight:
        return None
    return HeldOut(total / weight, right / rows if rows else None, rows, tuple(parts), len(read))


def mean_loss(policy: Policy, loss: Callable[[Batch], LossOut], batches: Iterable[Batch]) -> float | None:
    """The loss of `held_out` alone."""
    measured = held_out(policy, loss, batches)
    return None if measured is None else measured.loss


@dataclass(slots=True)
class Validator:
    """Measures the validation loss, keeps the best weights, and says in words why it stops."""

    policy: Policy
    loss: Callable[[Batch], LossOut]
    batches: Callable[[], Iterable[Batch]]
    run: Run
    progress: TrainingState
    observer: Observer
    every: int
    total: int
    patience: int
    early_stop: bool
    score: Callable[[], float | None] = lambda: None
    """A mean reward on the validation rows, where the method has one: it takes the place of the loss, and more is
    better. `TrainingState.best_loss` then holds it with its sign turned."""
    by_accuracy: bool = False
    """A loss may rise while more rows are answered right: a clearly higher share of right rows then counts more."""
    hold: Hold | None = None
    optimizer: MasterOptimizer | None = None
    """Whose rate is held; needed with `hold`."""
    rows: float = 0.0
    """Validation rows that are right or wrong."""
    last: HeldOut | None = None
    """What was measured last."""

    @property
    def end(self) -> int:
        """The last step, once it is known; until then the last that there may be."""
        turned = self.progress.turned
        if self.hold is None or turned is None:
            return self.total
        return self.hold.expected(turned, turned)

    def expected(self, step: int) -> int:
        """How many steps the run will have, as far as it is known after `step`."""
        if self.hold is None:
            return self.total
        return self.hold.expected(step, self.progress.turned)

    def __call__(self, step: int, loss: float) -> bool:
        self.progress.losses.append(loss)
        if step % self.every and step != self.end:
            return False
        self.measure(step)
        if self.hold is not None and self.progress.turned is None:
            return self._held(step, self.hold)
        return (self.early_stop and self._should_stop(step)) or step == self.end

    def measure(self, step: int) -> None:
        with saying("validation"):
            score = self.score()
            if score is None:
                measured = held_out(self.policy, self.loss, self.batches())
            else:
                measured = HeldOut(-score, scored=True)

        self.last = measured
        if measured is None:
            self._without_rows(step)
            return

        name, sign = ("reward", -1) if measured.scored else ("loss", 1)
        if not math.isfinite(measured.loss):
            raise NonFiniteError(
                f"the validation {name} is not finite",
                where=f"step {step}",
                value=measured.loss,
                fix="lower learning_rate, or set dtype: float32",
            )

        progress = self.progress
        if progress.losses:
            training = sum(progress.losses) / len(progress.losses)
        else:
            training = float("nan")

        progress.losses.clear()
        progress.validations.append((step, measured.loss, training))
        facts = {f"validation_{name}": sign * measured.loss}

        if self.by_accuracy and measured.accuracy is not None:
            progress.accuracies.append(measured.accuracy)
            self.rows = measured.rows
            facts["validation_accuracy"] = measured.accuracy

        self.run.log({"step": step, **facts})
        if self._improved(measured):
            progress.best_loss, progress.best_accuracy, progress.best_step = measured.loss, measured.accuracy, step
            save_best(self.run.folder / "checkpoints" / "best", self.policy.trainable())

        assert progress.best_loss is not None
        best = sign * progress.best_loss
        self.observer.note(f"step {step}: validation {name} {sign * measured.loss:.4f} (best {best:.4f})")

    def _improved(self, measured: HeldOut) -> bool:
        """By the loss, unless the share of right rows differs by more than its standard error."""
        best, best_accuracy = self.progress.best_loss, self.progress.best_accuracy
        if best is None:
            return True

        if self.by_accuracy and measured.accuracy is not None and best_accuracy is not None:
            gained = measured.accuracy - best_accuracy
            if abs(gained) > standard_error(measured.accuracy, best_accuracy, measured.rows):
                return gained > 0

        return measured.loss < best

    def _without_rows(self, step: int) -> None:
        """Nothing is held out for validation, as the recipe asks: the last weights are the ones to keep."""
        if step == 0:
            self.observer.note("no validation rows: nothing stops the training early, and the last weights are kept")
        if step == self.end:
            self.progress.best_step = step
            save_best(self.run.folder / "checkpoints" / "best", self.policy.trainable())

    def _held(self, step: int, hold: Hold) -> bool:
        """Hold the rate, or go on from the best weights with a rate that falls; True where even the base was better."""
        if self._without_improvement() >= self.patience:
            if self.progress.best_step == 0:
                return self._should_stop(step)
            self._turn(step, "validation no longer improves")
        elif hold.middle(step, self.every) and not self._still_learns():
            self._turn(step, "validation hardly improves any more")
        elif hold.last_turn(step, self.every):
            self._turn(step, "the longest run is reached")
        elif hold.middle(step, self.every) and not hold.middle(step - self.every, self.every):
            self.observer.note(f"step {step}: validation still improves, so the rate is held and the run goes on")

        return False

    def _still_learns(self) -> bool:
        """Did the last validations gain enough to go on? Without any there is nothing to wait for."""
        losses = [loss for _, loss, _ in self.progress.validations]
        falling = bool(losses) and still_falling(losses, self.patience)
        return falling or still_rising(self.progress.accuracies, self.rows, self.patience)

    def _turn(self, step: int, why: str) -> None:
        """From here the rate falls to its end. What was learned after the best step is dropped: it did not help."""
        assert self.optimizer is not None and self.hold is not None
        progress = self.progress

        progress.turned = self.optimizer.turned = step
        if 0 <= progress.best_step < step:
            back = f", from the weights of step {progress.best_step}"
        else:
            back = ""

        if back:
            load_best(self.run.folder / "checkpoints" / "best", self.policy.trainable())
            self.optimizer.adopt()

        self.observer.note(f"step {step}: {why}; the rate falls from here{back} to step {self.end}")

    def _since(self) -> list[tuple[int, float, float]]:
        """Validations after the best one, and after the rate began to fall."""
        after = max(self.progress.best_step, self.progress.turned or 0)
        return [entry for entry in self.progress.validations if entry[0] > after]

    def _without_improvement(self) -> int:
        return len(self._since())

    def _should_stop(self, step: int) -> bool:
        since = self._since()
        if len(since) < self.patience or step == self.end:
            return False
        if self.progress.best_step == 0 and 2 * step < self.expected(step):
            return False  # the first steps, at the highest rate, may lose what the later ones win

        if self.last is not None and not self.last.scored:
            falling = since[-1][2] < since[0][2]
            if falling:
                cause = f"training loss fell: {self._rise()}"
            else:
                cause = "training loss did not fall either"
            why = f"validation loss did not improve for {len(since)} evaluations while {cause}"
        else:
            why = f"validation reward did not improve for {len(since)} evaluations"

        self.progress.stopped = f"{why}; kept step {self.progress.best_step}"
        self.observer.note(self.progress.stopped)
        return True

    def _rise(self) -> str:
        """Whether the loss rose since the best step by more than these rows leave to chance, in words. Leaves the best
        weights in the model, with which the run ends."""
        now = self.last
        load_best(self.run.folder / "checkpoints" / "best", self.policy.trainable())

        best = held_out(self.policy, self.loss, self.batches())
        if now is None or best is None or (interval := rise(best.parts, now.parts)) is None:
            return "whether the model is memorising, so few validation rows cannot tell"

        low, high = interval
        if low > 0:
            word = "the model is memorising"
        else:
            word = "whether the model is memorising, they cannot tell"

        change = f"{now.loss - best.loss:+.3f} since step {self.progress.best_step}"
        rows = count(now.examples, "validation row")
        return f"{word} ({change}, 95% interval {low:+.3f} to {high:+.3f}, {rows})"


@dataclass(slots=True)
class Checkpointer:
    """Writes `last`, so that a killed run goes on. A step from which the rate falls is written at once: a run that is
    resumed before it would go on from the best weights of now, not from those of then."""

    optimizer: MasterOptimizer
    run: Run
    progress: TrainingState
    every: int
    total: int
    path: str
    """The way through the model that the run takes."""
    collect: Callable[[int], None] | None = None
    """Told of each checkpoint before it is made, where somebody keeps them as models."""

    def __call__(self, step: int, loss: float) -> bool:
        self.progress.step = step
        if (step % self.every == 0 and step != self.total) or step == self.progress.turned:
            if self.collect is not None:
                self.collect(step)  # first: a run that is killed in between makes this step again, and this model, too
            save_last(self.run, self.progress, self.optimizer, self.path)
        return False
