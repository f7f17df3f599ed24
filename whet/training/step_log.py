"""The log of a run's steps: each is written down and shown, and together they say how fast it learns."""

from __future__ import annotations

from dataclasses import dataclass

from whet.observer import Observer
from whet.store.run import Run
from whet.training.hooks import Validator


@dataclass(slots=True)
class StepLog:
    """Writes each step down and shows it; counts what the steps of this process read, and how long they took."""

    run: Run
    observer: Observer
    validator: Validator
    writes: bool
    """Whether a step writes answers before it learns."""
    tokens: int = 0
    seconds: float = 0.0

    def __call__(self, step: int, facts: dict[str, float]) -> None:
        self.tokens += int(facts["tokens"])
        self.seconds += facts["seconds"]
        if self.writes:
            facts["update_seconds"] = facts["seconds"] - facts.get("rollout_seconds", 0.0)
        self.run.log({"step": step, **facts})
        self.observer.step(step + 1, self.validator.expected(step + 1), facts)

    @property
    def tokens_per_second(self) -> float:
        if self.seconds:
            return self.tokens / self.seconds
        return 0.0
