"""What the work is for: what the tuned model must reach before it is of use, whatever it gained."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from whet.recipe.strict import Name, Strict

Share = Annotated[float, Field(gt=0, lt=1)]


class Goal(Strict):
    """What must be reached on the test rows: only when the bad end of an interval is beyond it does it count."""

    at_least: float | None = Field(default=None, description="Score of the tuned model; 0.9 is 90%.")
    metric: Name | None = Field(
        default=None, description="What `at_least` is counted in; it becomes evaluate.metric, where that is auto."
    )
    class_at_least: dict[Name, Share] = Field(
        default={}, description="Share of the rows of a class that must be found, as in {spam: 0.8}."
    )
    seconds_per_answer: float | None = Field(
        default=None, gt=0, description="Longest mean time for one answer, asked alone, on this machine."
    )
    prompt_tokens: float | None = Field(default=None, gt=0, description="Longest mean prompt in tokens.")

    @property
    def empty(self) -> bool:
        return not self.class_at_least and (self.at_least, self.seconds_per_answer, self.prompt_tokens) == (None,) * 3
