"""What the loop holds: where a step's batches come from, and their loss. One learner a method, made for one run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from whet.types import Batch, LossOut


class BatchSource(Protocol):
    def step(self, step: int) -> list[Batch]: ...

    def largest(self) -> Batch: ...


class Learner(Protocol):
    """What a run asks of it. `BaseLearner` has an answer to all but the first two."""

    state: dict[str, float]
    """What a resumed run must know beside the weights; the checkpoint holds it."""
    writes_answers: bool
    """Whether a step writes answers before it learns: the log then splits its seconds."""

    def batches(self, step: int) -> list[Batch]: ...

    def loss(self, batch: Batch) -> LossOut: ...

    def validation(self, batches: Iterable[Batch]) -> Iterable[Batch]:
        """What the validation loss is measured on, made of the batches of the validation part."""
        ...

    def score(self) -> float | None:
        """A mean reward that takes the place of the validation loss; None where there is none."""
        ...

    def last_check(self) -> Learner:
        """Whose loss proves that the last update left the weights whole."""
        ...

    def finish(self) -> None:
        """Take away from the model what only the training needed."""
        ...


@dataclass
class BaseLearner(ABC):
    """A learner that writes nothing, remembers nothing, and is validated by its loss."""

    state: dict[str, float] = field(default_factory=dict, init=False)
    writes_answers = False

    @abstractmethod
    def batches(self, step: int) -> list[Batch]: ...

    @abstractmethod
    def loss(self, batch: Batch) -> LossOut: ...

    def validation(self, batches: Iterable[Batch]) -> Iterable[Batch]:
        return batches

    def score(self) -> float | None:
        return None

    def last_check(self) -> Learner:
        return self

    def finish(self) -> None:
        return
