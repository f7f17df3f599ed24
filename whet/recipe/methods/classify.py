"""Texts with classes or numbers, for a head."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from whet.recipe.methods.base import Kind, RowNeeds, Target
from whet.recipe.methods.features import Feature, Refusal
from whet.recipe.methods.headed import Headed
from whet.recipe.strict import Conflict

if TYPE_CHECKING:
    from whet.recipe.schema import Recipe


class Classify(Headed):
    """A head that names a class of a text, several classes, or a number, without writing a word."""

    summary: ClassVar[str] = "a head that names classes, without writing"
    guide: ClassVar[str] = "methods/classify.md"
    rows: ClassVar[RowNeeds] = RowNeeds(forms=frozenset({"label"}), rendering="text", per_tree=True)
    many_passes: ClassVar[bool] = True

    kind: Literal["classify"] = "classify"
    task: Literal["single", "multi-label", "regression"] = Field(
        default="single", description="One class a row, a list of classes, or a number."
    )
    class_weights: Literal["none", "balanced"] = Field(
        default="none", description="balanced: rare classes count as much as frequent ones."
    )
    thresholds: Literal["tuned", "half"] = Field(
        default="tuned", description="From which probability a class is named: tuned on the validation rows, or 0.5."
    )

    def why_not(self, feature: Feature, recipe: Recipe) -> Refusal | None:
        if self.task == "regression" and feature == "curve":
            what = "a learning curve needs scores from 0 to 1, which numbers do not have"
            return Refusal(what, "use it for classes or answers", self.kind)
        if self.task == "regression" and feature == "failures":
            what = "failures are looked for among answers, and a regression gives numbers"
            return Refusal(what, "see the largest errors in answers.jsonl; do not collect by them", self.kind)
        return super().why_not(feature, recipe)

    def conflicts(self, recipe: Recipe) -> list[Conflict]:
        number = self.task == "regression"
        return [
            (
                number and self.class_weights != "none",
                "a number has no classes that could be weighed",
                "method.class_weights: balanced",
                "leave method.class_weights out",
            ),
            (
                number and self.thresholds != "tuned",
                "a number has no classes with thresholds",
                "method.thresholds: half",
                "leave method.thresholds out",
            ),
        ]

    @property
    def target(self) -> Target:
        targets: dict[str, Target] = {"single": "class", "multi-label": "classes", "regression": "number"}
        return targets[self.task]

    def other_rows(self, form: Kind) -> tuple[str, str]:
        if form == "prompt":
            return super().other_rows(form)
        what = "classify learns labels of texts, and these rows hold none"
        return what, "name the columns: columns: {text: ..., label: ...}"
