"""Traces into the database, and out of it when their time or their place is over; a few at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from whet.server.database.opening import Database
from whet.server.database.tables import feedback, judgements, trace_totals, traces
from whet.server.settings import Settings

STEP = 500
"""Traces that are removed in one transaction: others may write in between."""
INSERTS = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


@dataclass(frozen=True, slots=True)
class Retention:
    """Of each project."""

    seconds: float
    traces: int
    bytes: int


def retention_of(settings: Settings) -> Retention:
    return Retention(settings.traces_days * 86400.0, settings.most_traces, settings.most_trace_bytes)


def insert_traces(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    counts = Counter(row["project"] for row in rows)
    for project in sorted(counts):  # all in one order, so that two servers never wait for each other
        taken = sum(row["bytes"] for row in rows if row["project"] == project)
        add_to_totals(connection, project, counts[project], taken)
    connection.execute(traces.insert(), rows)


def add_to_totals(connection: Connection, project: str, count: int, taken: int) -> None:
    """Also the right to change the project's traces until the transaction ends."""
    first = INSERTS[connection.dialect.name](trace_totals).values(project=project, traces=count, bytes=taken)
    more = {"traces": trace_totals.c.traces + count, "bytes": trace_totals.c.bytes + taken}
    connection.execute(first.on_conflict_do_update(index_elements=[trace_totals.c.project], set_=more))


def remove_traces(connection: Connection, project: str, names: Sequence[str]) -> tuple[int, int]:
    """(traces, feedback) that went. The project's totals are held already (add_to_totals)."""
    said = connection.execute(delete(feedback).where(feedback.c.trace.in_(names))).rowcount
    connection.execute(delete(judgements).where(or_(judgements.c.first.in_(names), judgements.c.second.in_(names))))
    gone = connection.execute(
        delete(traces).where(traces.c.project == project, traces.c.id.in_(names)).returning(traces.c.bytes)
    ).scalars()
    sizes = list(gone)
    less = {"traces": trace_totals.c.traces - len(sizes), "bytes": trace_totals.c.bytes - sum(sizes)}
    connection.execute(update(trace_totals).where(trace_totals.c.project == project).values(less))
    return len(sizes), said


def prune(database: Database, retention: Retention) -> bool:
    """One step in each project that has too many traces, too large or too old ones. Gives whether there is more."""
    with database.read() as connection:
        projects = list(connection.execute(select(trace_totals.c.project)).scalars())
    return any([_prune_project(database, project, retention) for project in projects])


def _prune_project(database: Database, project: str, retention: Retention) -> bool:
    with database.read() as connection:  # mostly there is nothing to do, and no need to keep others from writing
        if not _doomed(connection, project, retention, database.now(connection)):
            return False
    with database.write() as connection:
        add_to_totals(connection, project, 0, 0)
        names = _doomed(connection, project, retention, database.now(connection))
        remove_traces(connection, project, names)
    return len(names) == STEP


def _doomed(connection: Connection, project: str, retention: Retention, now: float) -> list[str]:
    """Ids of the oldest traces that must go, up to STEP."""
    totals = connection.execute(select(trace_totals).where(trace_totals.c.project == project)).one()
    spare, room = totals.traces - retention.traces, totals.bytes - retention.bytes
    query = select(traces.c.id, traces.c.at, traces.c.bytes).where(traces.c.project == project)
    oldest = query.order_by(traces.c.at, traces.c.id).limit(STEP if spare > 0 or room > 0 else 1)
    rows = connection.execute(oldest).all()
    if len(rows) == 1 and rows[0].at < now - retention.seconds:
        rows = connection.execute(oldest.limit(STEP)).all()

    names = []
    for row in rows:
        if spare <= 0 and room <= 0 and row.at >= now - retention.seconds:
            break
        names.append(row.id)
        spare, room = spare - 1, room - row.bytes
    return names
