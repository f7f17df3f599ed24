"""Where the last look ended: which requests are new, whether a log has grown, was rotated, or a window has moved.

A request is known by its id, or by its time and contents where its record names none. The latest are remembered; those
that are older than the oldest that is, or than OVERLAP before the newest, were looked at or come too late.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from typing import Any

from whet.errors import DataError
from whet.monitoring.memory.remembered import Remembered
from whet.monitoring.trace import Trace

OVERLAP = 3600.0
"""Seconds before the newest request within which others may still come: a log is written when answers end."""
MOST_KNOWN = 20_000
"""Requests that are remembered."""


class Position:
    def __init__(self) -> None:
        self.known = Remembered(MOST_KNOWN)
        self.newest: float | None = None
        """When the newest request came, in seconds since 1970; never later than now, whatever a clock said."""
        self.heard = -math.inf
        """When somebody last spoke of one that was looked at."""

    @property
    def since(self) -> float | None:
        """Requests before this time are no news. None where nothing was looked at."""
        return None if self.newest is None else max(self.newest - OVERLAP, self.known.forgotten)

    def news(self, traces: Iterable[Trace]) -> Iterator[Trace]:
        """Those that no look has seen; each counts as seen once it is given. Raises DataError for one without a time:
        it could not be told from one that was looked at."""
        newest, forgotten = self.newest, self.known.forgotten  # those of this pass may come in any order
        for trace in traces:
            if trace.at is None or not math.isfinite(trace.at):
                what = "this record has no time, so that it cannot be told from one that was looked at before"
                raise DataError(what, where=trace.where, fix="log the time of each request; or use whet monitor")
            if not _is_old(trace.at, newest, forgotten) and self.known.add(_name(trace), trace.at):
                at = min(trace.at, time.time())
                self.newest = at if self.newest is None else max(self.newest, at)
                self.note_heard(trace)
                yield trace

    def has_seen(self, trace: Trace) -> bool:
        """Whether it is no news."""
        at = trace.at or 0.0
        return _is_old(at, self.newest, self.known.forgotten) or _name(trace) in self.known

    def note_heard(self, trace: Trace) -> None:
        self.heard = max([self.heard, *(said.at for said in trace.feedback if said.at is not None)])

    def state(self) -> dict[str, Any]:
        heard = self.heard if math.isfinite(self.heard) else None
        return {"known": self.known.state(), "newest": self.newest, "heard": heard}

    @classmethod
    def restored(cls, state: dict[str, Any]) -> Position:
        found = cls()
        found.known, found.newest = Remembered.restored(state["known"]), state["newest"]
        found.heard = -math.inf if state["heard"] is None else state["heard"]
        return found


def _is_old(at: float, newest: float | None, forgotten: float) -> bool:
    return newest is not None and (at < newest - OVERLAP or at <= forgotten)


def _name(trace: Trace) -> str:
    """A record without an id is named by where it stands, which another has once the log is rotated."""
    if trace.id != trace.where:
        return trace.id
    told = (trace.at, trace.model, trace.client, trace.asked, trace.answer, trace.seconds, trace.answer_tokens)
    return f"{trace.workload} {told!r}"
