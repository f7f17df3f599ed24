"""A request as the watches see it: counted in the order in which requests came."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from whet.monitoring.trace import Trace


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request stands. `number` counts from 0 since the watch began."""

    number: int
    id: str
    where: str
    at: float | None = None
    """Seconds since 1970."""

    def state(self) -> list[Any]:
        return [self.number, self.id, self.where, self.at]


class Arrival(NamedTuple):
    place: Place
    trace: Trace


def place_of(number: int, trace: Trace) -> Place:
    return Place(number, trace.id, trace.where, trace.at)


def arrivals(traces: Iterable[Trace], first: int = 0) -> Iterator[Arrival]:
    """Traces with their places, counted from `first`."""
    for number, trace in enumerate(traces, start=first):
        yield Arrival(place_of(number, trace), trace)


def pieces(arrived: Sequence[Arrival], most: int) -> Iterator[Sequence[Arrival]]:
    """At most so many at a time."""
    for first in range(0, len(arrived), most):
        yield arrived[first : first + most]
