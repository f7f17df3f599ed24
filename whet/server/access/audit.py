"""The book of what administrators did: keys made and revoked, traces erased. It is only added to, with
what it tells of."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from whet.server.database.tables import audit


def note(connection: Connection, act: str, what: str, now: float, *, project: str | None, **facts: Any) -> None:
    """`act` is a word as "key.created", `what` the thing's id. In the transaction of the act itself."""
    values = {"at": now, "project": project, "key": None, "act": act, "what": what, "facts": facts or None}
    connection.execute(audit.insert().values(values))
