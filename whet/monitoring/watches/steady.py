"""Scores that are to stay as they were: watched beside what was known before, or beside the first live traces.

A score that nothing was known of takes its first observations as its reference, and is watched from there on. Beside
all observations, those of requests whose prompts are not new are watched once more: where these are silent, the prompts
are the cause.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple, TypedDict

from whet.monitoring.evidence import ScoreWatch
from whet.monitoring.memory.arrival import Place
from whet.stats.paired import mean_interval

BASELINE = 100
ENOUGH_OTHERS = 0.5
"""Share of the observations that must be left to tell that nothing else changed."""


class Rate(TypedDict):
    """The mean of a score before and since a change, each with its 95% interval."""

    reference: float
    reference_interval: tuple[float, float]
    reference_rows: int
    live: float
    live_interval: tuple[float, float]
    traces: int


class Observed(NamedTuple):
    scores: Mapping[str, float]
    place: Place
    new: bool = False
    """Whether the prompt looks unlike the known ones."""


class Steady:
    """`names` are all scores that there may ever be: the level of each may not depend on what has come."""

    def __init__(
        self, names: Iterable[str], known: Mapping[str, Sequence[float]], alpha: float, baseline: int = BASELINE
    ) -> None:
        self.names = list(names)
        self.watches = self._begun(known, alpha, baseline)
        self.others = self._begun(known, alpha, baseline)
        """Of the requests whose prompts are not new."""

    def _begun(self, known: Mapping[str, Sequence[float]], alpha: float, baseline: int) -> dict[str, ScoreWatch]:
        share = alpha / len(self.names)
        watches = [ScoreWatch(name, known.get(name, ()), share, n, baseline) for n, name in enumerate(self.names)]
        return {watch.name: watch for watch in watches}

    def see(self, observed: Sequence[Observed]) -> None:
        """One after the other."""
        for name in self.names:
            told = [(one.scores[name], one.place, one.new) for one in observed if name in one.scores]
            self.watches[name].see_all([(score, place) for score, place, _ in told])
            self.others[name].see_all([(score, place) for score, place, new in told if not new])

    @property
    def watched(self) -> list[ScoreWatch]:
        return [watch for watch in self.watches.values() if watch.watched]

    @property
    def crossed(self) -> list[ScoreWatch]:
        """Those whose evidence was enough, the first at the front."""
        found = [(watch.crossing.enough.number, n, watch) for n, watch in enumerate(self.watched) if watch.crossing]
        return [watch for _, _, watch in sorted(found)]

    @property
    def silent_without_new(self) -> bool:
        """Whether the requests whose prompts are not new tell of no change, and are enough to say so."""
        others = [self.others[watch.name] for watch in self.crossed]
        enough = all(other.watched and other.seen >= ENOUGH_OTHERS * self.watches[other.name].seen for other in others)
        return enough and all(other.crossing is None for other in others)

    @property
    def ended(self) -> bool:
        """Whether all that had changed is as before."""
        return bool(self.crossed) and all(watch.ended is not None for watch in self.crossed)

    def rate(self, name: str, since: int) -> Rate:
        watch = self.watches[name]
        live = watch.live(since)
        return {
            "reference": fmean(watch.reference),
            "reference_interval": mean_interval(watch.reference),
            "reference_rows": len(watch.reference),
            "live": fmean(live),
            "live_interval": mean_interval(live),
            "traces": len(live),
        }

    def accept(self) -> None:
        """What has changed is what later observations are held to."""
        for watch in self.crossed:
            watch.accept()
            self.others[watch.name].accept()

    def begin_again(self) -> None:
        """What had changed is as before."""
        for watch in self.crossed:
            watch.begin_again()
            self.others[watch.name].begin_again()

    def state(self) -> dict[str, Any]:
        return {
            "watches": [watch.state() for watch in self.watches.values()],
            "others": [watch.state() for watch in self.others.values()],
        }

    def restore(self, state: dict[str, Any]) -> None:
        for held, told in ((self.watches, state["watches"]), (self.others, state["others"])):
            held |= {watch["name"]: ScoreWatch.restored(watch) for watch in told}
