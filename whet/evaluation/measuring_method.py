"""What an evaluation asks of its method. The methods themselves are a room below: whet/methods/, one file each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from whet.data.prepare import Prepared
from whet.data.source import Source
from whet.evaluation.facts import Measured
from whet.evaluation.studies.failures import ScoredAnswer
from whet.observer import Observer
from whet.planning.tune_time import Writing
from whet.recipe.schema import OpponentName, Recipe
from whet.training.session import Session
from whet.training.training_method import TrainingMethod


class Measures(TrainingMethod, Protocol):
    """The measuring half of a method, beside what training asks of it."""

    scored_by_metric: bool
    """Whether the answers that it learns are compared with the test rows by the metric, so that all of these must be
    such that the metric can score them."""
    reads_references: bool
    """Whether it reads before its first step what the base says of its rows."""

    # ---- before anything is trained

    def refuse_missing(self, runs: Path | str) -> None:
        """What it needs beside the base, such as a teacher among the `runs`. Raises ModelError, RunFolderError."""
        ...

    def refuse_rows(self, recipe: Recipe, source: Source) -> None:
        """Rows that it cannot learn from, told before the base is loaded. Raises DataError."""
        ...

    def metric(self, recipe: Recipe, prepared: Prepared) -> str:
        """What the test rows will be measured by. Raises DataError without test rows."""
        ...

    def mean_step(self, recipe: Recipe, source: Source) -> float:
        """Tokens of a step, about."""
        ...

    def written_in_a_step(self, row: float) -> Writing | None:
        """Answers that it writes in a step, to prompts of `row` tokens; None for a method that writes none."""
        ...

    def written_in_a_validation(self, row: float, rows: int) -> Writing | None:
        """The same, of a validation on `rows` prompts."""
        ...

    # ---- after the training

    def measure(self, session: Session, observer: Observer) -> Measured:
        """Opens the trained model and its base, and measures both on the test rows; where both are in memory then, they
        stay open in the session. Raises ModelError, ProofError, RunFolderError, DataError."""
        ...

    def unaskable(self, recipe: Recipe) -> dict[OpponentName, str]:
        """Opponents that cannot or should not be asked beside this method, and why."""
        ...

    def judged(self, recipe: Recipe) -> list[str]:
        """Models whose words a judge would compare, so that it should be none of their family."""
        ...

    def validation_answers(self, session: Session, observer: Observer) -> tuple[str, list[ScoredAnswer]]:
        """(metric, the tuned model's answers to the validation rows with their scores), for a search for failures."""
        ...


FindMeasures = Callable[[Recipe], Measures]
"""As `Find` of the training."""
