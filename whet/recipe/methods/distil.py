"""What a teacher would have said to the model's own answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from whet.recipe.file_key import FileKey
from whet.recipe.methods.base import PlanNeeds
from whet.recipe.methods.features import Feature
from whet.recipe.methods.own_answers import OwnAnswers
from whet.recipe.strict import Name


class Distil(OwnAnswers):
    """On-policy distillation: the model writes answers, and learns at every token what the teacher would have said."""

    summary: ClassVar[str] = "learns the teacher's probabilities on its own answers"
    guide: ClassVar[str] = "methods/distillation.md"
    cannot: ClassVar[frozenset[Feature]] = OwnAnswers.cannot | frozenset[Feature]({"failures"})
    no_failures: ClassVar[str] = "it learns the teacher's probabilities, and rows to collect would be prompts alone"

    kind: Literal["distil"] = "distil"
    teacher: Annotated[Name, FileKey("teacher", words=frozenset({"nano"}), everywhere=True)] = Field(
        description="A run, a named model, a folder, nano or a Hub name, with the base's own tokenizer."
    )
    samples: int = Field(default=1, ge=1, description="Answers to each prompt.")

    def plan(self) -> PlanNeeds:
        weights = f"the weights of the teacher {self.teacher!r} are in memory, too, and are not counted here"
        return replace(super().plan(), notes=(weights,))
