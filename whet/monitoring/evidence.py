"""One question by one or several scores: is what comes still of one kind with the reference?

Each score has a wager of its own (whet/stats/watching.py), and the level is shared among them, so that the question as
a whole raises a false alarm in at most `alpha` of streams, however long they are and however often one looks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from whet.stats.watching import RankedScores, Wager, log_threshold

ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Crossing:
    """Where a score's evidence became enough."""

    score: str
    seen: int
    """Observations of this score up to then, itself among them."""
    since: int
    """The observation from which on it speaks, counted from 0."""


class ScoreWatch:
    """A score: large means unlike the reference."""

    def __init__(self, name: str, reference: Sequence[float] | np.ndarray, alpha: float, seed: int) -> None:
        self.name = name
        self.ranked = RankedScores(np.asarray(reference, float).tolist())
        self.wager = Wager()
        self.threshold = log_threshold(alpha)
        self.crossing: Crossing | None = None
        self._random = np.random.default_rng(seed)

    def see(self, score: float) -> None:
        self.wager.bet(self.ranked.rank(score, float(self._random.random())))
        if self.crossing is None and self.wager.log_capital >= self.threshold:
            self.crossing = Crossing(self.name, self.wager.bets, self.wager.since)


class Evidence:
    """The scores of a question. `shares` is how many the question may have in all, watched yet or not: the level of
    each may not depend on what has come."""

    def __init__(
        self, references: Mapping[str, Sequence[float] | np.ndarray], alpha: float = ALPHA, shares: int | None = None
    ) -> None:
        share = alpha / (shares or len(references) or 1)
        self.watches = {
            name: ScoreWatch(name, values, share, number) for number, (name, values) in enumerate(references.items())
        }

    def see(self, scores: Mapping[str, float]) -> None:
        """An observation; one without a score says nothing of it."""
        for name, score in scores.items():
            if name in self.watches:
                self.watches[name].see(score)

    @property
    def crossed(self) -> list[ScoreWatch]:
        """Those whose evidence was enough, the strongest first."""
        found = [watch for watch in self.watches.values() if watch.crossing is not None]
        return sorted(found, key=lambda watch: watch.threshold - watch.wager.most)
