"""Whose turn it is: the project with the fewest jobs at work, then the fewest begun lately, then the oldest job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, Row, func, select

from whet.server.database.tables import jobs

RECENT_SECONDS = 3600.0


def recent_starts(connection: Connection, now: float) -> Counter[str]:
    """By project: jobs that began within the last hour."""
    return count_by_project(connection, jobs.c.started_at > now - RECENT_SECONDS)


def count_by_project(connection: Connection, which: ColumnElement[bool]) -> Counter[str]:
    counted: Counter[str] = Counter()
    query = select(jobs.c.project, func.count()).where(which).group_by(jobs.c.project)
    for project, number in connection.execute(query):
        counted[project] = number
    return counted


def next_of(waiting: Sequence[Row], running: Mapping[str, int], recent: Mapping[str, int]) -> Row:
    return min(waiting, key=lambda row: rank(row, running, recent))


def rank(row: Row, running: Mapping[str, int], recent: Mapping[str, int]) -> tuple[int, int, float, str]:
    return running.get(row.project, 0), recent.get(row.project, 0), row.created_at, row.id
