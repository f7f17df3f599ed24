"""Which versions of the model answered: where each began, and who answered lately."""

from __future__ import annotations

from collections import deque
from typing import Any

from whet.monitoring.memory.arrival import Arrival

LATEST = 2000
"""Requests whose version is kept."""
MOST = 200
"""Versions; of more, the ones that began first are forgotten."""


class Versions:
    def __init__(self) -> None:
        self.requests: dict[str, int] = {}
        """Of each version, how many there were."""
        self.began: dict[str, int] = {}
        """The number of its first request."""
        self.latest: deque[tuple[int, str | None]] = deque(maxlen=LATEST)

    def take(self, arrived: Arrival) -> None:
        version = arrived.trace.answered_by
        self.latest.append((arrived.place.number, version))
        name = version or "unknown"
        self.requests[name] = self.requests.get(name, 0) + 1
        if version is not None:
            self.began.setdefault(version, arrived.place.number)
        if len(self.requests) > MOST:
            first = next(iter(self.requests))
            del self.requests[first]
            self.began.pop(first, None)

    def since(self, number: int) -> list[str | None]:
        """Of the latest requests, the versions from this one on."""
        return [version for told, version in self.latest if told >= number]

    def state(self) -> dict[str, Any]:
        return {"requests": self.requests, "began": self.began, "latest": [list(one) for one in self.latest]}

    def restore(self, state: dict[str, Any]) -> None:
        self.requests, self.began = state["requests"], state["began"]
        self.latest = deque(((number, version) for number, version in state["latest"]), maxlen=LATEST)
