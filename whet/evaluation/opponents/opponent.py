"""What a verdict holds the tuned model against, and what evaluation.json says of each opponent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from whet.evaluation.facts import AbsentFacts, OpponentFacts
from whet.evaluation.metrics.scoring import RowScore
from whet.evaluation.verdict import compare
from whet.recipe.schema import OpponentName
from whet.stats.paired import mean_interval
from whet.types import Difference, Row, Verdict, VerdictWord

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

    def facts(self) -> AbsentFacts:
        """One entry of `verdict.not_asked`."""
        return {"name": self.name, "label": self.label, "reason": self.reason}


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
    def word(self) -> VerdictWord:
        return self.verdict.word

    def facts(self) -> OpponentFacts:
        """One entry of `verdict.against`."""
        opponent, difference = self.opponent, self.difference
        return {
            "name": opponent.name,
            "label": opponent.label,
            "score": sum(opponent.scores) / len(opponent.scores),
            "interval": [self.low, self.high],
            "difference": difference.estimate,
            "difference_interval": [difference.low, difference.high],
            "p": difference.p,
            "rows": difference.rows,
            "better": self.word == "better",
            "word": self.word,
            "prompt_tokens": opponent.prompt_tokens,
            "detail": opponent.detail,
            "scale": difference.scale,
        }


def hold(opponent: Opponent, tuned: Sequence[float], clusters: Sequence[object] | None, seed: int) -> Held:
    """`tuned` are the tuned model's scores of all test rows, `clusters` what rows belong to, in the same order."""
    asked = [tuned[place] for place in opponent.places]
    asked_clusters = None
    if clusters is not None:
        asked_clusters = [clusters[place] for place in opponent.places]

    difference, verdict = compare(opponent.scores, asked, seed, asked_clusters, over=opponent.label)
    low, high = mean_interval(opponent.scores, seed, asked_clusters)
    return Held(opponent, difference, verdict, low, high)
