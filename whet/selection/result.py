"""What `whet.choose` gives to Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whet.reports.picture import Picture
from whet.reports.result import Fact, Result, Table
from whet.selection.page import headline
from whet.selection.plot import draw, ways_of
from whet.text.wording import percent

if TYPE_CHECKING:
    from whet.selection.choice_facts import BudgetFacts, CandidateFacts, ChoiceFacts, ChoiceVerdict, ChosenFacts


class ChoiceResult(Result):
    """Of choose."""

    if TYPE_CHECKING:
        name: str
        candidates: list[CandidateFacts]
        chosen: ChosenFacts | None
        worth_it: bool
        reason: str
        verdict: ChoiceVerdict | None
        selection_gain: float | None
        budget: BudgetFacts
        report: str

    @property
    def _facts(self) -> ChoiceFacts:
        return self  # type: ignore[return-value]

    def title(self) -> str:
        return headline(self._facts)

    def facts(self) -> list[Fact]:
        found = [("because", self["reason"])]
        if self["verdict"] is not None:
            found.append(("on test rows", self["verdict"]["sentence"]))
        return [*found, ("report", self["report"])]

    def table(self) -> Table | None:
        rows = [(way.base, way.label, percent(way.facts["score"])) for way in ways_of(self._facts)]
        return ("base", "way", "score"), rows

    def picture(self) -> Picture | None:
        return Picture(draw(self._facts))
