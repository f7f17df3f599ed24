"""What a verdict holds the tuned model against, and how one opponent is told in evaluation.json."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from whet.evaluation.metrics.scoring import RowScore
from whet.evaluation.verdict import compare
from whet.recipe.schema import OpponentName
from whet.stats.paired import mean_interval
from whet.types import Difference, Row, Verdict

Score = Callable[[Sequence[str], Sequence[Row]], list[RowScore]]
"""Scores answers, one a row, as the verdict does."""


@dataclass(frozen=True, slots=True)
class Opponent:
    """Scores of an opponent on some of the test rows. `label` continues "better than ...", in words."""

    name: OpponentName
    label: str
    places: list[int]
    """Which of the test rows, in their order, were asked."""
    scores: list[float]
    texts: list[str] | None = None
    """Its answers, where it gives any in words."""
    prompt_tokens: float | None = None
    """Mean tokens of a prompt; None where nothing was read."""
    detail: str = ""
    """What a reader must know of it: how it was chosen, what did not fit, how many rows were asked."""


@dataclass(frozen=True, slots=True)
class Absent:
    """An opponent that could not be asked, and why."""

    name: OpponentName
    label: str
    reason: str


@dataclass(frozen=True, slots=True)
class Held:
    """The tuned model held against one opponent on the rows that both answered."""

    opponent: Opponent
    difference: Difference
    verdict: Verdict
    low: float
    high: float
    """95% interval of the opponent's score."""

    @property
    def word(self) -> str:
        return self.verdict.word

    def facts(self) -> dict[str, Any]:
        """One entry of `verdict.against`."""
        one, found = self.opponent, asdict(self.difference)
        return {
            "name": one.name,
            "label": one.label,
            "score": sum(one.scores) / len(one.scores),
            "interval": [self.low, self.high],
            "difference": found["estimate"],
            "difference_interval": [found["low"], found["high"]],
            "p": found["p"],
            "rows": found["rows"],
            "better": self.word == "better",
            "word": self.word,
            "prompt_tokens": one.prompt_tokens,
            "detail": one.detail,
            "scale": found["scale"],
        }


def hold(opponent: Opponent, tuned: Sequence[float], clusters: Sequence[object] | None, seed: int) -> Held:
    """`tuned` are the tuned model's scores of all test rows, `clusters` what rows belong to, in the same order."""
    mine = [tuned[place] for place in opponent.places]
    if clusters is None:
        within = None
    else:
        within = [clusters[place] for place in opponent.places]

    difference, verdict = compare(opponent.scores, mine, seed, within, over=opponent.label)
    low, high = mean_interval(opponent.scores, seed, within)
    return Held(opponent, difference, verdict, low, high)
