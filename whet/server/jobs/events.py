"""Events of a job: numbered without gaps in the transaction that makes what they tell true."""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import Connection, Row, func, select

from whet.server.database.identifiers import new_id, storable
from whet.server.database.opening import Database
from whet.server.database.paging import Page, page_of
from whet.server.database.tables import events

Level = Literal["info", "warn", "error"]


def add_event(
    connection: Connection,
    job: str,
    message: str,
    now: float,
    level: Level = "info",
    data: dict[str, Any] | None = None,
    kind: Literal["message", "metrics"] = "message",
) -> None:
    """The caller holds the row of the job, so that no number is given twice."""
    last = connection.execute(select(func.max(events.c.number)).where(events.c.job == job)).scalar()
    values = {
        "id": new_id("ftevent-"),
        "job": job,
        "number": (last or 0) + 1,
        "level": level,
        "type": kind,
        "message": storable(message),
        "data": data,
        "created_at": now,
    }
    connection.execute(events.insert().values(**values))


def list_events(database: Database, job: str, limit: int, after: str | None) -> tuple[list[Row], bool]:
    """The newest first. Raises ApiError 400 for a cursor of no event of this job."""
    with database.read() as connection:
        page = Page(events.c.id, (events.c.number,), limit=limit)
        return page_of(connection, select(events), events.c.job == job, page, after)


def events_after(database: Database, job: str, number: int, most: int = 500) -> list[Row]:
    """In their order, from one that was seen on."""
    with database.read() as connection:
        query = select(events).where(events.c.job == job, events.c.number > number).order_by(events.c.number)
        return list(connection.execute(query.limit(most)))


def last_step(connection: Connection, job: str) -> int:
    """The last step whose metrics were told; 0 before any."""
    query = select(events.c.data).where(events.c.job == job, events.c.type == "metrics")
    data = connection.execute(query.order_by(events.c.number.desc()).limit(1)).scalar()
    return int(data["step"]) if data else 0


def show_event(row: Row) -> dict[str, Any]:
    return {
        "object": "fine_tuning.job.event",
        "id": row.id,
        "created_at": int(row.created_at),
        "level": row.level,
        "message": row.message,
        "type": row.type,
        "data": row.data,
    }
