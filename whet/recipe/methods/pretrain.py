"""Text: every token is learned."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field

from whet.recipe.methods.base import Fill, MethodKeys, RowNeeds
from whet.recipe.methods.features import Feature, Refusal
from whet.recipe.methods.usual import DataFacts, if_made
from whet.recipe.rounding import power_of_two

if TYPE_CHECKING:
    from whet.recipe.schema import Recipe

LONGEST_CONTEXT = 1024
PRETRAIN_STEPS, LEAST_BATCH, LARGEST_BATCH = 1000, 2048, 65536
TOKENS_PER_PARAMETER, MOST_REPEATS = 20, 4
"""Chinchilla's 20 tokens a parameter; up to 4 passes are nearly as good as new text (Muennighoff et al. 2023)."""


class Pretrain(MethodKeys):
    """Next-token prediction on plain text: from scratch or continued on your own text."""

    summary: ClassVar[str] = "learns every token, from a base or from scratch"
    guide: ClassVar[str] = "methods/pretraining.md"
    rows: ClassVar[RowNeeds] = RowNeeds(rendering="document")
    cannot: ClassVar[frozenset[Feature]] = frozenset(
        {
            "show",
            "compare",
            "curve",
            "failures",
            "drawn-answers",
            "own-metric",
            "judge",
            "wins",
            "system",
            "goal",
            "scale-auto",
            "hold",
            "retrieval",
        }
    )
    replays: ClassVar[bool] = True
    no_failures: ClassVar[str] = "it learns text, and text has no answers"

    kind: Literal["pretrain"] = "pretrain"
    context: int | None = Field(
        default=None, ge=8, description="Tokens per block; default: the base's context, at most 1024."
    )
    from_scratch: bool = Field(default=False, description="Start from random weights in the base's shape.")

    @property
    def random_start(self) -> bool:
        return self.from_scratch

    @property
    def block_tokens(self) -> int | None:
        return self.context

    def why_not(self, feature: Feature, recipe: Recipe) -> Refusal | None:
        if self.from_scratch and feature == "scale":
            what = "from_scratch begins with random weights, and half the way from them is noise"
            return Refusal(what, "leave keep.scale out", self.kind)
        if self.from_scratch and feature == "quantise":
            what = "from_scratch trains weights that do not exist yet"
            return Refusal(what, "use a base that has learned something", self.kind)
        return super().why_not(feature, recipe)

    def fill(self, facts: DataFacts, fill: Fill) -> None:
        context = min(facts.context, LONGEST_CONTEXT)
        fill("context", (context, f"The base's context, at most {LONGEST_CONTEXT}."))

    def epochs(self, facts: DataFacts) -> tuple[float, str]:
        if not facts.from_scratch:
            return 1, "One pass: text seen once is forgotten least."
        wanted = TOKENS_PER_PARAMETER * facts.parameters / max(1, facts.tokens)
        passes = min(MOST_REPEATS, max(1, math.ceil(wanted)))
        goal = f"Towards {TOKENS_PER_PARAMETER} tokens a parameter (Chinchilla)"
        return passes, f"{goal}, at most {MOST_REPEATS} passes (Muennighoff et al. 2023)."

    def batch_tokens(self, recipe: Recipe, facts: DataFacts, passes: float) -> tuple[int, str]:
        wanted = facts.tokens * passes / PRETRAIN_STEPS
        value = power_of_two(min(LARGEST_BATCH, max(LEAST_BATCH, wanted)))
        bounds = f"between {LEAST_BATCH} and {LARGEST_BATCH} tokens each"
        return value, f"About {PRETRAIN_STEPS} steps{if_made(recipe, passes)}, {bounds}."

    def with_context(self, context: int) -> Self:
        return self.model_copy(update={"context": self.context or min(context, LONGEST_CONTEXT)})
