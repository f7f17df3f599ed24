"""Answers that are marked good or bad."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from whet.recipe.methods.base import MARKED, Fill, Kind, RowNeeds
from whet.recipe.methods.features import Feature
from whet.recipe.methods.preferences import Preferences
from whet.recipe.methods.usual import DataFacts, usual_batch
from whet.text.numbers import round_two_digits

if TYPE_CHECKING:
    from whet.recipe.schema import Recipe

MOST_DESIRABLE = 4 / 3
"""Good answers should weigh between as much as the bad ones and a third more (arXiv 2402.01306, eq. 8; TRL)."""
LEAST_ROWS = 8
"""The reference point is a mean over a step: its authors advise 8 rows or more."""


class Kto(Preferences):
    """Learning from answers marked good or bad, one by one: thumbs up, thumbs down."""

    summary: ClassVar[str] = "the same from single answers"
    guide: ClassVar[str] = "methods/kto.md"
    rows: ClassVar[RowNeeds] = RowNeeds(forms=MARKED, per_tree=True)
    chosen_by: ClassVar[frozenset[Kind]] = MARKED
    chosen_because: ClassVar[str] = "The rows are single answers that are marked good or bad."
    cannot: ClassVar[frozenset[Feature]] = Preferences.cannot | frozenset[Feature]({"failures"})
    no_failures: ClassVar[str] = "a mark says how good one answer is, and not which answer the model should have given"

    kind: Literal["kto"] = "kto"
    beta: float = Field(default=0.1, gt=0, description="What a nat is worth; lower moves the model further.")
    desirable_weight: float | None = Field(
        default=None, gt=0, description="Weight of a good answer; default by the number of good and bad ones."
    )
    undesirable_weight: float | None = Field(default=None, gt=0, description="Weight of a bad answer; the same.")

    def fill(self, facts: DataFacts, fill: Fill) -> None:
        """Of the weights that suit, those nearest to 1; the rarer mark is raised rather than the commoner one lowered.
        A weight that the user set is kept."""
        good, bad = max(1, facts.desirable), max(1, facts.rows - facts.desirable)
        desirable, undesirable = self.desirable_weight, self.undesirable_weight
        if desirable is None:
            least = (undesirable or 1.0) * bad / good
            settled = undesirable is None and good >= bad
            if settled:
                desirable = 1.0
            else:
                desirable = min(max(1.0, least), MOST_DESIRABLE * least)

        most = desirable * good / bad
        undesirable = min(max(1.0, most / MOST_DESIRABLE), most)
        reason = f"{facts.desirable} good and {facts.rows - facts.desirable} bad answers: together the good ones "
        reason += "should weigh 1 to 4/3 of the bad ones (KTO, arXiv 2402.01306, eq. 8)."
        fill("desirable_weight", (round_two_digits(desirable), reason))
        fill("undesirable_weight", (round_two_digits(undesirable), reason))

    def batch_tokens(self, recipe: Recipe, facts: DataFacts, passes: float) -> tuple[int, str]:
        floor = f"At least {LEAST_ROWS} rows of {facts.mean:.0f} tokens, over which kto's reference point is estimated"
        return usual_batch(recipe, facts, passes, 2 * LEAST_ROWS, floor)  # up to half is rounded away

    def other_rows(self, form: Kind) -> tuple[str, str]:
        what = "kto learns from answers that are marked good or bad, and these rows hold no mark"
        columns = "columns: {prompt: ..., completion: ..., label: ...}"
        return what, f"name the column of marks: {columns}; or leave method out"
