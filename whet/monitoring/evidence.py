"""One score of a question: is what comes still of one kind with the reference?

A score has a wager of its own (whet/stats/watching.py), and the level is shared among the scores of a question, so that
the question as a whole raises a false alarm in at most `alpha` of streams, however long they are and however often one
looks. Nothing of the past is needed but what `state` gives, whose size is bounded.

Once there is an alarm, the same wager is laid the other way: the first observations after it are the reference, and
small scores are bet on. When that wins as much, and the scores since then are no worse than those before the change,
the alarm is over. A false alarm and a false end have the same small chance.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from whet.monitoring.memory.arrival import Place
from whet.stats.paired import mean_interval
from whet.stats.watching import MOST, SPENT, RankedScores, Wager, log_threshold

ALPHA = 0.05
LATEST = 2000
"""Observations that are kept with their values, for rates."""
AFTER = 2000
"""Observations after an alarm that are kept, to become the next reference."""
ENOUGH_BACK = 20
"""Observations since a change back that its mean is of, at the least; it is looked at anew after so many."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """Where a score's evidence became enough, and since when it speaks."""

    enough: Place
    since: Place
    capital: float
    """Its logarithm."""

    def state(self) -> list[Any]:
        return [self.enough.state(), self.since.state(), self.capital]


Observation = tuple[float, Place]
"""A score, and where it was seen."""


class Bets:
    """A wager on ranks, with the places of the observations at which it began to win."""

    def __init__(self, reference: Sequence[float], alpha: float, seed: int) -> None:
        self.ranked = RankedScores(reference, alpha * SPENT, seed)
        self.wager = Wager()
        self.threshold = log_threshold(alpha * (1 - SPENT))
        self._begun: dict[int, Place] = {}
        self._random = np.random.default_rng(seed)

    def bet_all(self, observed: Sequence[Observation]) -> int:
        """Until the evidence is enough. Gives how many bets there were."""
        ties = self._random.random(len(observed)).tolist()
        ranks = [self.ranked.rank(score, tie) for (score, _), tie in zip(observed, ties, strict=True)]
        first = self.wager.bets
        self._begun |= {first + n: place for n, (_, place) in enumerate(observed)}
        made = self.wager.bet_all(ranks, self.threshold)
        if len(self._begun) > 100:
            begins = self.wager.begins
            self._begun = {bet: begun for bet, begun in self._begun.items() if bet in begins}
        return made

    @property
    def enough(self) -> bool:
        return self.wager.log_capital >= self.threshold

    @property
    def since(self) -> Place:
        """Of the observation from which on the strategy that holds most has gained."""
        return self._begun[self.wager.since]

    def state(self) -> dict[str, Any]:
        begun = [[bet, place.state()] for bet, place in self._begun.items()]
        held = {"ranked": self.ranked.state(), "wager": self.wager.state(), "threshold": self.threshold}
        return held | {"begun": begun, "random": self._random.bit_generator.state}

    @classmethod
    def restored(cls, state: dict[str, Any]) -> Bets:
        found = cls((), ALPHA, 0)
        found.ranked, found.wager = RankedScores.restored(state["ranked"]), Wager.restored(state["wager"])
        found.threshold = state["threshold"]
        found._begun = {bet: Place(*place) for bet, place in state["begun"]}
        found._random.bit_generator.state = state["random"]
        return found


class ScoreWatch:
    """A score: large means unlike the reference. Without one, the first `baseline` observations are it."""

    def __init__(self, name: str, reference: Sequence[float], alpha: float, seed: int, baseline: int) -> None:
        self.name, self.alpha, self.seed, self.baseline = name, alpha, seed, baseline
        self.reference = list(reference)[:MOST]
        self.bets: Bets | None = None
        self.crossing: Crossing | None = None
        self.back: Bets | None = None
        self.ended: Place | None = None
        """Where it was known that all is as before."""
        self.seen = 0
        """Observations that were watched."""
        self.latest: deque[tuple[int, float]] = deque(maxlen=LATEST)
        """Their numbers and values."""
        self.after: list[float] = []
        self._ready = bool(self.reference)

    def see(self, score: float, place: Place) -> None:
        self.see_all([(score, place)])

    def see_all(self, observed: Sequence[Observation]) -> None:
        """One after the other."""
        done = 0
        while done < len(observed):
            if not self._ready:
                self.reference.append(observed[done][0])
                self._ready = len(self.reference) >= self.baseline
                done += 1
            elif self.crossing is None:
                done += self._bet(observed[done:])
            else:
                self._keep(observed[done : done + 1])
                self._look_back(*observed[done])
                done += 1

    def rank_among(self, ranked: RankedScores) -> None:
        """From now on; of a score whose meaning has changed."""
        if self.bets is None:
            self.bets = Bets((), self.alpha, self.seed)
        self.bets.ranked = ranked

    @property
    def watched(self) -> bool:
        return self.seen > 0

    @property
    def since(self) -> Place:
        """Of the observation since which its alarm speaks."""
        assert self.crossing is not None
        return self.crossing.since

    @property
    def threshold(self) -> float:
        """The logarithm that the capital must reach."""
        return log_threshold(self.alpha * (1 - SPENT))

    @property
    def most(self) -> float:
        """The logarithm of the largest capital so far."""
        return self.bets.wager.most if self.bets is not None else 0.0

    def live(self, since: int = 0) -> list[float]:
        """Of the latest observations, those from this number on; the last one where they are older."""
        found = [value for number, value in self.latest if number >= since]
        return found or [value for _, value in list(self.latest)[-1:]]

    def accept(self) -> None:
        """What is new becomes what later observations are held to: those after the alarm, which chose the moment."""
        self._begin(self.after)
        self._ready = len(self.reference) >= self.baseline

    def begin_again(self) -> None:
        """All is as before: the reference stays."""
        self._begin(self.reference)

    def _bet(self, observed: Sequence[Observation]) -> int:
        """Until there is an alarm. Gives how many were looked at."""
        if self.bets is None:
            self.bets = Bets(self.reference, self.alpha, self.seed)
        made = self.bets.bet_all(observed)
        self._keep(observed[:made])
        if self.bets.enough:
            self.crossing = Crossing(observed[made - 1][1], self.bets.since, self.bets.wager.most)
        return made

    def _keep(self, observed: Sequence[Observation]) -> None:
        self.seen += len(observed)
        self.latest.extend((place.number, score) for score, place in observed)

    def _begin(self, reference: Sequence[float]) -> None:
        self.seed += 1000  # other ties than before
        self.reference = list(reference)[:MOST]
        self.bets = self.back = self.crossing = self.ended = None
        self.seen = 0
        self.latest.clear()
        self.after = []

    def _look_back(self, score: float, place: Place) -> None:
        if len(self.after) < AFTER:
            self.after.append(score)
        if self.back is None and len(self.after) > self.baseline:
            first = [-value for value in self.after[: self.baseline]]
            self.back = Bets(first, self.alpha, self.seed + 500)
        if self.back is None or self.ended is not None:
            return
        if not self.back.enough:
            self.back.bet_all([(-score, place)])
        if self.back.enough and self.seen % ENOUGH_BACK == 0 and self._as_before(self.back.since):
            self.ended = place

    def _as_before(self, since: Place) -> bool:
        live = self.live(since.number)
        return len(live) >= min(ENOUGH_BACK, self.baseline) and fmean(live) <= mean_interval(self.reference)[1]

    def state(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "alpha": self.alpha,
            "seed": self.seed,
            "baseline": self.baseline,
            "reference": np.array(self.reference, float),
            "ready": self._ready,
            "bets": self.bets and self.bets.state(),
            "crossing": self.crossing and self.crossing.state(),
            "back": self.back and self.back.state(),
            "ended": self.ended and self.ended.state(),
            "seen": self.seen,
            "numbers": np.array([number for number, _ in self.latest], np.int64),
            "values": np.array([value for _, value in self.latest], float),
            "after": np.array(self.after, float),
        }

    @classmethod
    def restored(cls, state: dict[str, Any]) -> ScoreWatch:
        found = cls(state["name"], (), state["alpha"], state["seed"], state["baseline"])
        found.reference, found._ready = state["reference"].tolist(), state["ready"]
        found.bets = state["bets"] and Bets.restored(state["bets"])
        found.back = state["back"] and Bets.restored(state["back"])
        if state["crossing"]:
            enough, since, capital = state["crossing"]
            found.crossing = Crossing(Place(*enough), Place(*since), capital)
        found.ended = Place(*state["ended"]) if state["ended"] else None
        found.seen = state["seen"]
        found.latest.extend(zip(state["numbers"].tolist(), state["values"].tolist(), strict=True))
        found.after = state["after"].tolist()
        return found
