"""What the methods share that learn from answers which the model writes itself."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from whet.recipe.methods.base import ANSWERED, NAME_PROMPTS, PROMPTS, Kind, MethodKeys, PlanNeeds, RowNeeds
from whet.recipe.methods.features import Feature
from whet.recipe.methods.usual import DataFacts, Work
from whet.recipe.strict import Conflict

if TYPE_CHECKING:
    from whet.recipe.schema import Recipe

NOT_OF_ANSWERS = ("nll", "preference-accuracy", "mark-accuracy")
"""Metrics that compare probabilities."""


class OwnAnswers(MethodKeys):
    """A step is some prompts, and answers that the model writes to them."""

    rows: ClassVar[RowNeeds] = RowNeeds(forms=ANSWERED | PROMPTS, rendering="prompt", answered=False)
    cannot: ClassVar[frozenset[Feature]] = frozenset({"curve", "drawn-answers", "replay", "kl", "hold", "retrieval"})

    prompts: int = Field(default=16, ge=1, le=65_536, description="Prompts of a step.")
    samples: int = Field(default=8, ge=1, le=65_536, description="Answers to each prompt.")
    max_new_tokens: int = Field(default=256, ge=1, description="Longest answer, in tokens.")

    @property
    def answer_tokens(self) -> int:
        return self.max_new_tokens

    @property
    def step_prompts(self) -> int:
        return self.prompts

    def cache_key(self) -> str:
        return f"answers of {self.max_new_tokens}"

    def plan(self) -> PlanNeeds:
        return PlanNeeds(rows_unseen=True, written=self.max_new_tokens)

    def other_rows(self, form: Kind) -> tuple[str, str]:
        if form != "text":
            return super().other_rows(form)
        return f"{self.name} needs prompts, and these rows are plain text", NAME_PROMPTS

    def conflicts(self, recipe: Recipe) -> list[Conflict]:
        return [
            (
                recipe.batch_tokens is not None,
                "a step is counted in prompts here, not in tokens",
                f"batch_tokens: {recipe.batch_tokens}",
                "set method.prompts instead",
            ),
            (
                recipe.too_long == "truncate",
                "truncating a prompt would change what it asks",
                "too_long: truncate",
                "leave too_long out: such prompts are dropped, and counted",
            ),
            (
                recipe.evaluate.metric in NOT_OF_ANSWERS,
                "answers are compared here, not probabilities",
                f"evaluate.metric: {recipe.evaluate.metric}",
                "leave evaluate.metric out",
            ),
        ]

    def epochs(self, facts: DataFacts) -> tuple[float, str]:
        return 1, "One pass: every prompt is answered anew, and the answers are what is learned from."

    def batch_tokens(self, recipe: Recipe, facts: DataFacts, passes: float) -> None:
        return None

    def work(self, recipe: Recipe, facts: DataFacts) -> Work:
        return Work(facts.rows, float(self.prompts), "prompts")

    def step_tokens(self, recipe: Recipe, facts: DataFacts) -> int:
        return math.ceil(self.prompts * (facts.mean + self.samples * self.max_new_tokens))
