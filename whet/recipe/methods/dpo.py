"""Pairs of a better and a worse answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from whet.recipe.methods.base import PAIRED, Fill, Kind
from whet.recipe.methods.preferences import Preferences
from whet.recipe.methods.usual import DataFacts, usual_rate
from whet.recipe.strict import Conflict

if TYPE_CHECKING:
    from whet.recipe.schema import Recipe

BETA = {
    "sigmoid": 0.1,
    "sigmoid-norm": 5.0,
    "ipo": 0.1,
    "hinge": 0.1,
    "apo-zero": 0.1,
    "apo-down": 0.1,
    "simpo": 2.0,
    "orpo": 0.1,
}
"""By the loss. The reward of a token is smaller than that of an answer, so losses that take the mean want more: 5 in
Tulu 3 (sigmoid-norm), 2 to 2.5 for SimPO's authors. ORPO's is its lambda, 0.1 in its paper. APO's authors trained with
0.1 (D'Oosterlinck et al., section 5.2 of the published version, doi 10.1162/tacl_a_00748, as TRL's documentation cites
it)."""
SOURCES = {
    "sigmoid-norm": "Tulu 3",
    "apo-zero": "APO's authors",
    "apo-down": "APO's authors",
    "simpo": "SimPO's authors",
    "orpo": "ORPO's lambda",
}
GAMMA = 0.5
"""SimPO's margin: TRL's default; its authors' values are 0.3 to 1.6, by model (arXiv 2405.14734)."""
ORPO_UNDER_SFT = 4.0
"""Most of ORPO's loss is the answer's own; its authors trained 7B models at 5e-6 to 8e-6 (arXiv 2403.07691)."""


class Dpo(Preferences):
    """Preference optimisation: make the chosen answer of a pair likelier than the rejected one."""

    summary: ClassVar[str] = "prefers the better one; SimPO, ORPO, IPO and hinge are losses of it"
    guide: ClassVar[str] = "methods/dpo.md"
    chosen_by: ClassVar[frozenset[Kind]] = PAIRED
    chosen_because: ClassVar[str] = "The rows are pairs of a chosen and a rejected answer."

    kind: Literal["dpo"] = "dpo"
    loss: Literal["sigmoid", "sigmoid-norm", "ipo", "hinge", "apo-zero", "apo-down", "simpo", "orpo"] = Field(
        default="sigmoid",
        description="sigmoid is DPO itself; apo-zero is for chosen answers that are better than the base's own, "
        "apo-down for worse ones; simpo and orpo need no reference.",
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

    def fill(self, facts: DataFacts, fill: Fill) -> None:
        whose = SOURCES.get(self.loss, "Rafailov et al. 2023")
        fill("beta", (BETA[self.loss], f"The usual value for {self.loss} ({whose})."))
        if self.loss == "simpo":
            fill("gamma", (GAMMA, "TRL's default; its authors took 0.3 to 1.6."))
        alone = (0.0, "The pairs alone; 0.2 to 1 also keeps the chosen answers likely (RPO, arXiv 2404.19733).")
        both = (1.0, "ORPO is the answer's own loss plus the odds ratio (arXiv 2403.07691, eq. 6).")
        fill("sft_weight", both if self.loss == "orpo" else alone)

    def rate(self, hidden: int) -> tuple[float, str]:
        if self.loss != "orpo":
            return super().rate(hidden)
        rate, source = usual_rate(hidden)
        return rate / ORPO_UNDER_SFT, f"{source}, divided by {ORPO_UNDER_SFT:g} for orpo (its authors)"

    def other_rows(self, form: Kind) -> tuple[str, str]:
        fix = "name the two answers: columns: {prompt: ..., chosen: ..., rejected: ...}; or set method: sft"
        return f"{self.kind} learns from preference pairs, and these rows hold none", fix
