"""Text: every token is learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from whet.recipe.methods.base import MethodKeys, RowNeeds
from whet.recipe.methods.features import Feature, Refusal

if TYPE_CHECKING:
    from whet.recipe.schema import Recipe


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
    no_failures: ClassVar[str] = "it learns text, and text has no answers"

    kind: Literal["pretrain"] = "pretrain"
    context: int | None = Field(
        default=None, ge=8, description="Tokens per block; default: the base's context, at most 1024."
    )
    from_scratch: bool = Field(default=False, description="Start from random weights in the base's shape.")

    @property
    def random_start(self) -> bool:
        return self.from_scratch

    def why_not(self, feature: Feature, recipe: Recipe) -> Refusal | None:
        if self.from_scratch and feature == "scale":
            what = "from_scratch begins with random weights, and half the way from them is noise"
            return Refusal(what, "leave keep.scale out", self.kind)
        if self.from_scratch and feature == "quantise":
            what = "from_scratch trains weights that do not exist yet"
            return Refusal(what, "use a base that has learned something", self.kind)
        return super().why_not(feature, recipe)
