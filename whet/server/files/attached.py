"""Where a file is used: a file that is deleted leaves the vector stores that hold it, at once."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, select, update

from whet.server.database.tables import vector_store_files, vector_stores


def detach_files(connection: Connection, names: Sequence[str], now: float) -> None:
    """Takes files that are deleted already from all stores; whoever searches those sees it."""
    holding = vector_store_files.c.file.in_(names)
    stores = list(connection.execute(select(vector_store_files.c.store).where(holding).distinct()).scalars())
    if not stores:
        return
    connection.execute(delete(vector_store_files).where(holding))
    changed = update(vector_stores).where(vector_stores.c.id.in_(stores))
    connection.execute(changed.values(version=vector_stores.c.version + 1, changed_at=now))
