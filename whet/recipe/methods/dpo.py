"""Pairs of a better and a worse answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from whet.recipe.methods.base import PAIRED, Kind
from whet.recipe.methods.preferences import Preferences
from whet.recipe.strict import Conflict

if TYPE_CHECKING:
    from whet.recipe.schema import Recipe


class Dpo(Preferences):
    """Preference optimisation: make the chosen answer of a pair likelier than the rejected one."""

    summary: ClassVar[str] = "prefers the better one; SimPO, ORPO, IPO and hinge are losses of it"
    guide: ClassVar[str] = "methods/dpo.md"
    chosen_by: ClassVar[frozenset[Kind]] = PAIRED
    chosen_because: ClassVar[str] = "The rows are pairs of a chosen and a rejected answer."

    kind: Literal["dpo"] = "dpo"
    loss: Literal["sigmoid", "sigmoid-norm", "ipo", "hinge", "simpo", "orpo"] = Field(
        default="sigmoid", description="sigmoid is DPO itself; simpo and orpo need no reference."
    )
    beta: float | None = Field(
        default=None, gt=0, description="What a nat is worth; lower moves the model further. Default by the loss."
    )
    gamma: float | None = Field(default=None, ge=0, description="simpo: the margin that is asked for; default 0.5.")
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=0.5, description="Share of pairs thought to be the wrong way round; for the sigmoids."
    )
    sft_weight: float | None = Field(
        default=None, ge=0, description="Weight of the chosen answer's own loss (RPO); default 0, for orpo 1."
    )

    def conflicts(self, recipe: Recipe) -> list[Conflict]:
        """Keys that the loss does not look at."""
        read = (
            ("gamma", self.gamma, ("simpo",)),
            ("label_smoothing", self.label_smoothing or None, ("sigmoid", "sigmoid-norm", "simpo")),
        )
        return [
            (
                value is not None and self.loss not in losses,
                f"the loss {self.loss} has no {key}",
                f"method.{key}: {value}",
                f"leave it out, or set method.loss: {' or '.join(losses)}",
            )
            for key, value, losses in read
        ]
