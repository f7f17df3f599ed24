"""What the methods share that learn from answers which the model writes itself."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from whet.recipe.methods.base import ANSWERED, MethodKeys, RowNeeds
from whet.recipe.methods.features import Feature


class OwnAnswers(MethodKeys):
    """A step is some prompts, and answers that the model writes to them."""

    rows: ClassVar[RowNeeds] = RowNeeds(forms=ANSWERED | {"prompt"}, rendering="prompt", answered=False)
    cannot: ClassVar[frozenset[Feature]] = frozenset({"curve", "drawn-answers", "replay", "kl", "hold", "retrieval"})

    prompts: int = Field(default=16, ge=1, le=65_536, description="Prompts of a step.")
    samples: int = Field(default=8, ge=1, le=65_536, description="Answers to each prompt.")
    max_new_tokens: int = Field(default=256, ge=1, description="Longest answer, in tokens.")

    @property
    def answer_tokens(self) -> int:
        return self.max_new_tokens
