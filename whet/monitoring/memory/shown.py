"""The latest requests of a question, as an alarm shows them: short, so that their room is bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from typing import Any, TypedDict

from whet.errors import without_hidden
from whet.monitoring.memory.arrival import Arrival
from whet.text.normalise import one_line

KEPT = 300
LONGEST_SHOWN = 160
"""Letters of a prompt or an answer."""


class Shown(TypedDict):
    number: int
    id: str
    where: str
    at: float | None
    asked: str
    answer: str
    scores: dict[str, float]


class LatestShown:
    def __init__(self) -> None:
        self._kept: deque[Shown | tuple[Arrival, dict[str, float]]] = deque(maxlen=KEPT)
        """Most are never shown, so that they are made short only where somebody looks."""

    def add(self, arrived: Arrival, scores: dict[str, float]) -> None:
        self._kept.append((arrived, scores))

    @property
    def kept(self) -> list[Shown]:
        return [_shown(*one) if isinstance(one, tuple) else one for one in self._kept]

    def worst(self, score: str, since: int) -> list[Shown]:
        """Those from this number on, the largest scores first."""
        told = [one for one in self.kept if one["number"] >= since and score in one["scores"]]
        return sorted(told, key=lambda one: (-one["scores"][score], one["number"]))

    @property
    def ids(self) -> set[str]:
        return {one["id"] for one in self.kept}

    def forget(self, gone: Collection[str]) -> None:
        """The words of requests that were erased."""
        kept = [one | {"asked": "", "answer": ""} if one["id"] in gone else one for one in self.kept]
        self.restore(kept)

    def state(self) -> list[Shown]:
        return self.kept

    def restore(self, state: list[Any]) -> None:
        self._kept = deque(state, maxlen=KEPT)


def _shown(arrived: Arrival, scores: dict[str, float]) -> Shown:
    place, trace = arrived
    return {
        "number": place.number,
        "id": place.id,
        "where": place.where,
        "at": place.at,
        "asked": short(trace.asked),
        "answer": short(trace.answer or ""),
        "scores": scores,
    }


def short(text: str) -> str:
    text = without_hidden(one_line(text))
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
