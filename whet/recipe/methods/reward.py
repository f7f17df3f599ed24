"""Pairs of answers, of which a score is learned."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from whet.recipe.methods.base import PAIRED, Kind, RowNeeds
from whet.recipe.methods.features import Feature
from whet.recipe.methods.headed import Headed
from whet.recipe.methods.preferences import ONE_PASS
from whet.recipe.methods.usual import DataFacts


class Reward(Headed):
    """A reward model: a score for every answer, learned from pairs of a better and a worse one (Bradley-Terry)."""

    summary: ClassVar[str] = "gives any answer a number"
    guide: ClassVar[str] = "methods/reward-models.md"
    rows: ClassVar[RowNeeds] = RowNeeds(forms=PAIRED, per_tree=True, margin=True)
    cannot: ClassVar[frozenset[Feature]] = Headed.cannot | frozenset[Feature]({"failures", "hold"})
    no_failures: ClassVar[str] = "it gives numbers, and no answers"

    kind: Literal["reward"] = "reward"
    center: float = Field(
        default=0.01, ge=0, description="Weight of the term that holds the mean of a pair's two scores near 0."
    )

    def epochs(self, facts: DataFacts) -> tuple[float, str]:
        return 1, ONE_PASS

    def other_rows(self, form: Kind) -> tuple[str, str]:
        fix = "name the two answers: columns: {prompt: ..., chosen: ..., rejected: ...}; or set method: sft"
        return f"{self.kind} learns from preference pairs, and these rows hold none", fix
