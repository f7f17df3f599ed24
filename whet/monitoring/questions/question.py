"""What all questions have in common: each takes the requests as they come, and says at any time what came of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from whet.monitoring.alarm import Question, Seen
from whet.monitoring.evidence import Crossing
from whet.monitoring.memory.arrival import Arrival, arrivals, pieces
from whet.monitoring.memory.remembered import Remembered
from whet.monitoring.memory.shown import LatestShown
from whet.monitoring.memory.versions import Versions
from whet.monitoring.trace import Trace
from whet.monitoring.watches.steady import Steady

AT_ONCE = 1000
"""Requests that are looked at together."""


class Told(NamedTuple):
    """An arrival, and whether its prompt looks unlike the known ones."""

    arrived: Arrival
    new: bool = False


class StandingQuestion(ABC):
    """One that is asked on and on. What it keeps is bounded, and all that a look depends on."""

    name: Question

    def __init__(self) -> None:
        self.conversations = Remembered()
        """A conversation counts once: what comes after its first request depends on it."""
        self.shown = LatestShown()
        self.episode = 0
        """Alarms that were acknowledged or ended."""

    @abstractmethod
    def take(self, told: Sequence[Told]) -> None: ...

    @abstractmethod
    def seen(self, versions: Versions) -> Seen: ...

    @property
    @abstractmethod
    def crossing(self) -> Crossing | None:
        """The first of its alarm."""

    @property
    def silent_without_new(self) -> bool:
        """Whether its alarm goes away without the requests whose prompts are new."""
        return False

    @property
    def ended(self) -> bool:
        """Whether the evidence says that all is as before its alarm."""
        return False

    @abstractmethod
    def accept(self) -> None:
        """Its alarm is over, because what was new is known."""

    @abstractmethod
    def begin_again(self) -> None:
        """Its alarm is over, because all is as before."""

    @property
    def alarm_id(self) -> str:
        """The same in each look: by the question, how many alarms it had, and the request that was enough."""
        crossing = self.crossing
        assert crossing is not None
        named = f"{self.name} {self.episode} {crossing.enough.number} {crossing.enough.id}"
        return f"{self.name}-{blake2b(named.encode('utf-8', 'surrogatepass'), digest_size=5).hexdigest()}"

    @property
    def ids(self) -> set[str]:
        """Of the requests whose words are kept."""
        return self.shown.ids

    def forget(self, gone: Collection[str]) -> None:
        """The words of requests that were erased."""
        self.shown.forget(gone)

    def state(self) -> dict[str, Any]:
        kept = {"conversations": self.conversations.state(), "shown": self.shown.state()}
        return kept | {"episode": self.episode}

    def restore(self, state: dict[str, Any]) -> None:
        self.conversations = Remembered.restored(state["conversations"])
        self.shown.restore(state["shown"])
        self.episode = state["episode"]

    def _is_first(self, trace: Trace) -> bool:
        return trace.conversation is None or self.conversations.add(trace.conversation)


class SteadyQuestion(StandingQuestion):
    """One of scores that are to stay as they were."""

    steady: Steady

    @property
    def crossing(self) -> Crossing | None:
        crossed = self.steady.crossed
        return crossed[0].crossing if crossed else None

    @property
    def silent_without_new(self) -> bool:
        return self.steady.silent_without_new

    @property
    def ended(self) -> bool:
        return self.steady.ended

    def accept(self) -> None:
        self.steady.accept()
        self.episode += 1

    def begin_again(self) -> None:
        self.steady.begin_again()
        self.episode += 1

    def state(self) -> dict[str, Any]:
        return super().state() | {"steady": self.steady.state()}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.steady.restore(state["steady"])


def look_with(question: StandingQuestion, traces: Iterable[Trace]) -> Seen:
    """This question alone, put to all traces at once."""
    versions = Versions()
    arrived = list(arrivals(traces))
    for one in arrived:
        versions.take(one)
    for piece in pieces(arrived, AT_ONCE):
        question.take([Told(one) for one in piece])
    return question.seen(versions)
