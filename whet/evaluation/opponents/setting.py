"""What every opponent needs to know of the run that is measured, and how the base is asked for one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from whet.data.prepare import Prepared, read_rows
from whet.data.retrieval.raft import with_found_passages
from whet.evaluation.heldout import Reader, generate_answers
from whet.evaluation.metrics.scoring import values_of
from whet.evaluation.models import EvaluatedModel
from whet.evaluation.opponents.opponent import Score
from whet.evaluation.opponents.training_answers import TrainingAnswers, count_answers
from whet.evaluation.prompts import FittedPrompts, PromptStyle, fit_to_context
from whet.observer import Count, Observer, counted
from whet.recipe.schema import OpponentName, Recipe
from whet.types import Completion, Row

CHOOSING = 60
"""Validation rows that choose among phrasings."""
AskElsewhere = Callable[[FittedPrompts, int, Count], list[Completion]]
"""Greedy answers of at most so many tokens, of a base that is not here; told how many are there."""


@dataclass
class Setting:
    """`compared` is the metric by which the form of the answers is known; `score` scores them as the verdict does."""

    recipe: Recipe
    prepared: Prepared
    base: EvaluatedModel | None
    """None where it is not here, and `elsewhere` asks it."""
    loaded: Reader
    rows: list[Row]
    """The test rows as the verdict compares them."""
    compared: str
    score: Score
    tokens: int
    """Longest answer of an opponent."""
    observer: Observer
    own: bool = False
    """The score is not that of `compared`: a reward, or a function of the user's."""
    unaskable: Mapping[OpponentName, str] = field(default_factory=dict)
    """Opponents that the method does not go with, and why."""
    elsewhere: AskElsewhere | None = None

    @cached_property
    def seen(self) -> TrainingAnswers:
        """The answers of the training rows."""
        self.observer.phase("looking for the best constant answer")
        total = self.prepared.ledger.summary()["trained"]

        def count(number: int) -> None:
            if number % 1000 == 0:
                self.observer.step(number, total, {})

        trained = read_rows(self.recipe, self.prepared, ("trained",))
        return count_answers(trained, self.compared, self.recipe.seed, count, self.own)

    @cached_property
    def choosing(self) -> list[Row]:
        """Validation rows with an answer, as they are asked in use; without any, training rows, which the base never
        learned."""
        held_out = self.prepared.ledger.summary()["held_out"]["validation"]
        if held_out:
            part = read_rows(self.recipe, self.prepared, ("validation",))
        else:
            part = iter(self.seen.sample)

        usable = [row for row in part if row.reference.strip() and row.prompt]
        step = max(1, len(usable) // CHOOSING)
        return with_found_passages(self.recipe, usable[::step][:CHOOSING], self.prepared.renderer)

    @property
    def part(self) -> str:
        if self.prepared.ledger.summary()["held_out"]["validation"]:
            return "validation"
        return "training"

    def fitted(self, style: PromptStyle, rows: Sequence[Row]) -> FittedPrompts:
        """Raises InputError if a prompt does not fit, RowRefused if the template cannot say it."""
        return fit_to_context(style, rows, self.prepared.renderer, self.loaded.context - self.tokens)

    def fits(self, style: PromptStyle, rows: Sequence[Row]) -> list[int]:
        """Places of the rows whose prompt fits beside an answer, when all is left out of it that can be. Raises
        RowRefused where the template cannot say it."""
        most, renderer = self.loaded.context - self.tokens, self.prepared.renderer
        places = []
        for place, row in enumerate(rows):
            if len(renderer.prompt_ids(style.messages(row, []), row.tools)) <= most:
                places.append(place)
        return places

    def ask(self, what: str, prompts: FittedPrompts) -> list[Completion]:
        """Greedy answers of the base."""
        total = len(prompts.tokens)
        self.observer.phase(f"asking {what}", total)
        done = counted(self.observer, total)
        if self.elsewhere is not None:
            return self.elsewhere(prompts, self.tokens, done)
        assert self.base is not None
        return generate_answers(self.base, self.loaded, prompts.tokens, self.prepared.renderer, self.tokens, done)

    def values(self, texts: Sequence[str], rows: Sequence[Row]) -> list[float]:
        stripped = [text.strip() for text in texts]
        return values_of(self.score(stripped, rows))


def room(asked_for: int | None, tokens: int, spare: int) -> int:
    """Longest answer of an opponent: what the recipe says, or the `tokens` that the tuned model gets, as far as the
    context has `spare` ones beside the longest prompt."""
    return asked_for or max(1, min(tokens, spare))
