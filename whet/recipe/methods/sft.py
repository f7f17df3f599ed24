"""Answers that are given: the usual method."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from whet.recipe.methods.base import ANSWERED, TEXT, Kind, MethodKeys
from whet.recipe.methods.features import Feature, Refusal

if TYPE_CHECKING:
    from whet.recipe.schema import Recipe


class Sft(MethodKeys):
    """Supervised fine-tuning: learn the assistant turns of conversations."""

    summary: ClassVar[str] = "learns the answers"
    guide: ClassVar[str] = "data/formats.md"
    chosen_by: ClassVar[frozenset[Kind]] = ANSWERED | TEXT | {"prompt"}
    chosen_because: ClassVar[str] = "The rows are examples to learn from (not preferences)."
    many_passes: ClassVar[bool] = True

    kind: Literal["sft"] = "sft"

    def why_not(self, feature: Feature, recipe: Recipe) -> Refusal | None:
        if feature == "failures" and recipe.evaluate.metric == "nll":
            fix = "set evaluate.metric to one that scores answers"
            return Refusal("a likelihood is no answer that could fail", fix, "nll")
        return super().why_not(feature, recipe)
