"""Traces of a test, as answers leave them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from whet.server.access.keys import project_of
from whet.server.database.opening import Database
from whet.server.database.tables import trace_totals, traces
from whet.server.traces.asking import Asking
from whet.server.traces.keeping import insert_traces
from whet.server.traces.record import TraceRecord

HOUR = 3600.0


def project(database: Database, name: str = "default") -> str:
    with database.write() as connection:
        return project_of(connection, name, 1.0)


def record(name: str, owner: str, *, ago: float = 0.0, client: str | None = None, **facts: Any) -> TraceRecord:
    """A trace that began `ago` seconds ago."""
    asking = Asking(owner, None, None, client)
    given = {"model": "nano", "version": "nano", "fingerprint": None, "seconds": 0.5} | facts
    return TraceRecord(name, "chatcmpl", asking, began=time.monotonic() - ago, **given)


def keep(database: Database, records: Sequence[TraceRecord], texts: bool = False) -> None:
    with database.write() as connection:
        now = database.now(connection)
        insert_traces(connection, [one.row(texts, now) for one in records])


def kept(database: Database, owner: str) -> list[str]:
    """Ids, oldest first."""
    with database.read() as connection:
        query = select(traces.c.id).where(traces.c.project == owner).order_by(traces.c.at, traces.c.id)
        return list(connection.execute(query).scalars())


def prove_totals(database: Database) -> None:
    """The totals are those of the rows."""
    with database.read() as connection:
        rows = connection.execute(select(traces.c.project, traces.c.bytes)).all()
        for total in connection.execute(select(trace_totals)):
            mine = [row.bytes for row in rows if row.project == total.project]
            assert (total.traces, total.bytes) == (len(mine), sum(mine))
