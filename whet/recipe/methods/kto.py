"""Answers that are marked good or bad."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from whet.recipe.methods.base import MARKED, Kind, RowNeeds
from whet.recipe.methods.features import Feature
from whet.recipe.methods.preferences import Preferences


class Kto(Preferences):
    """Learning from answers marked good or bad, one by one: thumbs up, thumbs down."""

    summary: ClassVar[str] = "the same from single answers"
    guide: ClassVar[str] = "methods/kto.md"
    rows: ClassVar[RowNeeds] = RowNeeds(forms=MARKED, per_tree=True)
    chosen_by: ClassVar[frozenset[Kind]] = MARKED
    chosen_because: ClassVar[str] = "The rows are single answers that are marked good or bad."
    cannot: ClassVar[frozenset[Feature]] = Preferences.cannot | {"failures"}
    no_failures: ClassVar[str] = "a mark says how good one answer is, and not which answer the model should have given"

    kind: Literal["kto"] = "kto"
    beta: float = Field(default=0.1, gt=0, description="What a nat is worth; lower moves the model further.")
    desirable_weight: float | None = Field(
        default=None, gt=0, description="Weight of a good answer; default by the number of good and bad ones."
    )
    undesirable_weight: float | None = Field(default=None, gt=0, description="Weight of a bad answer; the same.")
