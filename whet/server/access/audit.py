"""The book of what administrators did: keys made and revoked, models removed. It is only added to."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from whet.server.database.opening import Database
from whet.server.database.tables import audit


def note(database: Database, act: str, what: str, *, project: str | None, key: str | None, **facts: Any) -> None:
    """`act` is a word as "key.created", `what` the thing's id."""
    with database.write() as connection:
        values = {"at": database.now(connection), "project": project, "key": key, "act": act, "what": what}
        connection.execute(audit.insert().values(values | {"facts": facts or None}))


def last_acts(database: Database, most: int) -> list[dict[str, Any]]:
    """The newest acts first."""
    with database.read() as connection:
        rows = connection.execute(select(audit).order_by(audit.c.number.desc()).limit(most))
        return [dict(row._mapping) for row in rows]
