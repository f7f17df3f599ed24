"""Everything of one user, out of the database at their wish."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select, text, update

from whet.server.access.audit import note
from whet.server.database.opening import Database
from whet.server.database.tables import feedback, judgements, traces
from whet.server.traces.keeping import add_to_totals, remove_traces
from whet.server.traces.redacting import pseudonym

STEP = 2000
"""Traces that go in one transaction, with their line in the audit: what is gone is always in it."""


@dataclass(frozen=True, slots=True)
class Erased:
    traces: int
    feedback: int


def erase_client(database: Database, project: str, client: str, key: str | None) -> Erased:
    """The traces of a client with all feedback on them, and what the client said of the traces of others. Each step
    has a line in the audit, which names the client by a hash. Blocks until all is gone."""
    name = pseudonym(client, project)
    gone = Erased(0, 0)
    while True:
        with database.write() as connection:
            step = _erase_some(connection, project, name)
            if step.traces or not gone.traces:
                _note(database, connection, project, name, key, step)
        gone = Erased(gone.traces + step.traces, gone.feedback + step.feedback)
        if step.traces < STEP:
            break
    _forget_pages(database)
    return gone


def _erase_some(connection: Connection, project: str, name: str) -> Erased:
    """Up to STEP traces."""
    if connection.dialect.name == "sqlite":
        connection.execute(text("PRAGMA secure_delete = ON"))  # what was there is overwritten, not only let go
    add_to_totals(connection, project, 0, 0)
    said = _erase_said(connection, project, name)
    mine = select(traces.c.id).where(traces.c.project == project, traces.c.client == name).limit(STEP)
    removed, heard = remove_traces(connection, project, list(connection.execute(mine).scalars()))
    return Erased(removed, said + heard)


def _erase_said(connection: Connection, project: str, name: str) -> int:
    """What the client said of any trace."""
    mine = (feedback.c.project == project) & (feedback.c.author == name)
    query = select(feedback.c.trace, func.count().label("pieces"), func.sum(feedback.c.bytes).label("bytes"))
    rows = connection.execute(query.where(mine).group_by(feedback.c.trace)).all()
    for row in rows:
        less = {"feedback": traces.c.feedback - row.pieces, "bytes": traces.c.bytes - row.bytes}
        connection.execute(update(traces).where(traces.c.id == row.trace).values(less))
    connection.execute(delete(feedback).where(mine))
    connection.execute(delete(judgements).where(judgements.c.project == project, judgements.c.who == name))
    add_to_totals(connection, project, 0, -sum(int(row.bytes) for row in rows))
    return sum(row.pieces for row in rows)


def _note(database: Database, connection: Connection, project: str, name: str, key: str | None, step: Erased) -> None:
    """The book outlives what it tells of, so it must not name them."""
    who = "client-" + hashlib.sha256(name.encode()).hexdigest()[:16]
    facts = {"traces": step.traces, "feedback": step.feedback, "by": key}
    note(connection, "traces.erased", who, database.now(connection), project=project, **facts)


def _forget_pages(database: Database) -> None:
    """SQLite's log of writes holds older pages until it is emptied, which waits for who reads it now."""
    if database.kind != "sqlite":
        return
    with database.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
