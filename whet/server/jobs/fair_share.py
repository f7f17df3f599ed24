"""Whose turn it is: the project with the fewest jobs at work, then with the fewest begun lately, then the oldest job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, select

from whet.server.database.tables import jobs

RECENT_SECONDS = 3600.0


def recent_starts(connection: Connection, now: float) -> Counter[str]:
    """By project: jobs that began within the last hour."""
    query = select(jobs.c.project, func.count()).where(jobs.c.started_at > now - RECENT_SECONDS)
    return Counter({project: number for project, number in connection.execute(query.group_by(jobs.c.project))})


def next_of(waiting: Sequence[Row], running: Mapping[str, int], recent: Mapping[str, int]) -> Row:
    return min(waiting, key=lambda row: rank(row, running, recent))


def rank(row: Row, running: Mapping[str, int], recent: Mapping[str, int]) -> tuple[int, int, float, str]:
    return running.get(row.project, 0), recent.get(row.project, 0), row.created_at, row.id
