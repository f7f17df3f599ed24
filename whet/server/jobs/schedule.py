"""When a waiting job will probably start and end: the queue played forward with what each job is thought to take."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass

from sqlalchemy import Connection, Row, or_, select

from whet.server.database.tables import jobs
from whet.server.jobs.fair_share import next_of, recent_starts
from whet.server.jobs.states import QUEUED, RUNNING

UNKNOWN = float("inf")
MOST = 1000
"""Waiting jobs that are played forward."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Seconds since 1970; None where nothing is known of its length, or of one before it."""

    start: float | None
    finish: float | None


def expected_times(connection: Connection, workers: int, now: float) -> dict[str, Expected]:
    """Of every job that waits or runs. `workers`: how many are at work at once."""
    columns = (jobs.c.id, jobs.c.project, jobs.c.state, jobs.c.created_at, jobs.c.started_at, jobs.c.estimate)
    query = select(*columns).where(or_(jobs.c.state == RUNNING, jobs.c.state == QUEUED))
    rows = list(connection.execute(query.order_by(jobs.c.created_at).limit(MOST)))
    found: dict[str, Expected] = {}
    ends: list[tuple[float, str]] = []
    """When each worker is free again, and whose job it ends with."""

    for row in rows:
        if row.state == RUNNING:
            finish = _finish(row, row.started_at or now, now)
            found[row.id] = Expected(row.started_at, finish)
            ends.append((UNKNOWN if finish is None else finish, row.project))
    ends += [(now, "")] * (max(1, workers) - len(ends))
    heapq.heapify(ends)

    waiting = [row for row in rows if row.state == QUEUED]
    running = Counter(row.project for row in rows if row.state == RUNNING)
    recent = recent_starts(connection, now)
    while waiting:
        start, ended = heapq.heappop(ends)
        running[ended] -= 1
        row = next_of(waiting, running, recent)
        waiting.remove(row)
        running[row.project] += 1
        recent[row.project] += 1

        finish = None if start == UNKNOWN else _finish(row, start, start)
        found[row.id] = Expected(None if start == UNKNOWN else start, finish)
        heapq.heappush(ends, (UNKNOWN if finish is None else finish, row.project))

    return found


def _finish(row: Row, start: float, now: float) -> float | None:
    """A job that takes longer than it was thought to ends any moment."""
    seconds = (row.estimate or {}).get("seconds")
    return None if seconds is None else max(now, start + seconds)
