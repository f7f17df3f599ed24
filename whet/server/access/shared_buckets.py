"""Buckets of limits in the database: all servers over it take from the same ones.

A row is locked while somebody takes from it, and filled by the database's clock, so that it counts as one process does.
Only keys with limits come here; it costs them a transaction a request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import ColumnElement, Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from whet.server.access.rates import Bucket
from whet.server.database.opening import Database
from whet.server.database.tables import rate_buckets

INSERTS = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}


class SharedBuckets:
    """`clock` takes the place of the database's, in seconds."""

    waits = True

    def __init__(self, database: Database, clock: Callable[[], float] | None = None) -> None:
        self.database, self.clock = database, clock

    @contextmanager
    def taken(self, key: str, limits: Mapping[str, int]) -> Iterator[dict[str, Bucket]]:
        with self.database.write() as connection:
            now = self.clock() if self.clock else self.database.now(connection)
            buckets = {what: self._locked(connection, key, what, limits[what], now) for what in sorted(limits)}
            now = self.clock() if self.clock else self.database.now(connection)  # locks may have been waited for
            for bucket in buckets.values():
                bucket.fill(now)
            yield buckets
            for what, bucket in buckets.items():
                kept = {"per_minute": bucket.limit, "held": bucket.held, "seen": bucket.seen}
                connection.execute(update(rate_buckets).where(_place(key, what)).values(kept))

    def _locked(self, connection: Connection, key: str, what: str, limit: int, now: float) -> Bucket:
        """A full one where the key has none, or had another limit."""
        full = {"key": key, "what": what, "per_minute": limit, "held": float(limit), "seen": now}
        connection.execute(INSERTS[self.database.kind](rate_buckets).values(full).on_conflict_do_nothing())
        row = connection.execute(select(rate_buckets).where(_place(key, what)).with_for_update()).one()
        if row.per_minute != limit:
            return Bucket(limit, float(limit), now)
        return Bucket(row.per_minute, row.held, row.seen)


def _place(key: str, what: str) -> ColumnElement[bool]:
    return (rate_buckets.c.key == key) & (rate_buckets.c.what == what)
