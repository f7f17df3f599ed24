"""What the database says of vector stores and their files; every query is by project."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, and_, case, delete, false, func, select, update

from whet.server.database.identifiers import is_id, new_id
from whet.server.database.opening import Database
from whet.server.database.paging import Order, Page, page_of
from whet.server.database.tables import files, vector_store_files, vector_stores
from whet.server.errors import ApiError, not_found
from whet.server.files.records import find_file
from whet.server.knowledge.cuts import Unreadable

FAILED, COMPLETED = "failed", "completed"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file in a store, from the moment that it is read."""

    file: str
    attributes: dict[str, Any]
    place: str = field(default_factory=lambda: f"{time.time_ns():020d}-{new_id('', 6)}")

    @property
    def document(self) -> str:
        """What the index calls it."""
        return document_name(self.file, self.place)


def document_name(file: str, place: str) -> str:
    return f"{file}#{place}"


def file_of(document: str) -> str:
    """The file of a document of an index."""
    return document.partition("#")[0]


def insert_store(database: Database, project: str, name: str, metadata: dict[str, str]) -> str:
    made = new_id("vs_")
    with database.write() as connection:
        now = database.now(connection)
        values = {"id": made, "project": project, "name": name, "store_metadata": metadata}
        connection.execute(vector_stores.insert().values(values | {"version": 0, "created_at": now, "changed_at": now}))
    return made


def find_store(connection: Connection, project: str, name: str, *, lock: bool = False) -> Row[Any]:
    """`lock`: nobody else changes it before this transaction ends. Raises ApiError 404."""
    row = None
    if is_id(name):
        query = select(vector_stores).where(vector_stores.c.id == name, vector_stores.c.project == project)
        row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise not_found("vector store", name, "vector_store_id")
    return row


def list_stores(
    database: Database, project: str, limit: int, order: Order, after: str | None
) -> tuple[list[Row[Any]], bool]:
    with database.read() as connection:
        page = Page(vector_stores.c.id, (vector_stores.c.created_at, vector_stores.c.id), order, limit)
        return page_of(connection, select(vector_stores), vector_stores.c.project == project, page, after)


def update_store(database: Database, project: str, name: str, values: dict[str, Any]) -> None:
    """Raises ApiError 404."""
    with database.write() as connection:
        find_store(connection, project, name, lock=True)
        if values:
            connection.execute(update(vector_stores).where(vector_stores.c.id == name).values(values))


def delete_store(database: Database, project: str, name: str) -> None:
    """Its files stay, where they were uploaded. Raises ApiError 404."""
    with database.write() as connection:
        find_store(connection, project, name, lock=True)
        connection.execute(delete(vector_store_files).where(vector_store_files.c.store == name))
        connection.execute(delete(vector_stores).where(vector_stores.c.id == name))


def attach(database: Database, project: str, store: str, new: Attachment, unreadable: Unreadable | None) -> None:
    """In the place of the same file, where it is there already. Raises ApiError 404."""
    with database.write() as connection:
        now = database.now(connection)
        find_store(connection, project, store, lock=True)
        connection.execute(
            select(files.c.id).where(files.c.id == new.file).with_for_update()
        )  # it may be on its way out
        row = find_file(connection, project, new.file, now, "file_id")
        connection.execute(delete(vector_store_files).where(_is(store, new.file)))
        values = {"store": store, "file": new.file, "place": new.place, "attributes": new.attributes}
        values |= {"bytes": row.bytes, "created_at": now}
        if unreadable:
            values |= {"bytes": 0, "error_code": unreadable.code, "error": unreadable.message}
        connection.execute(vector_store_files.insert().values(values))
        _touch(connection, store, now)


def detach(database: Database, project: str, store: str, file: str) -> None:
    """Raises ApiError 404."""
    with database.write() as connection:
        find_store(connection, project, store, lock=True)
        find_attached(connection, store, file)
        connection.execute(delete(vector_store_files).where(_is(store, file)))
        _touch(connection, store, database.now(connection))


def find_attached(connection: Connection, store: str, file: str) -> Row[Any]:
    """Raises ApiError 404."""
    row = None
    if is_id(file):
        row = connection.execute(select(vector_store_files).where(_is(store, file))).first()
    if row is None:
        raise not_found("file", file, "file_id")
    return row


def list_attached(
    connection: Connection, store: str, limit: int, order: Order, after: str | None, status: str | None
) -> tuple[list[Row[Any]], bool]:
    query = select(vector_store_files)
    if status is not None:
        query = query.where(_has_status(status))
    page = Page(vector_store_files.c.file, (vector_store_files.c.place,), order, limit)
    return page_of(connection, query, vector_store_files.c.store == store, page, after)


def readable_files(connection: Connection, store: str) -> Sequence[Row[Any]]:
    """Those that a search looks through."""
    joined = select(vector_store_files, files.c.filename).join(files, files.c.id == vector_store_files.c.file)
    wanted = joined.where(vector_store_files.c.store == store, _has_status(COMPLETED))
    return connection.execute(wanted.order_by(vector_store_files.c.place)).all()


def counts(connection: Connection, stores: Sequence[str]) -> dict[str, tuple[int, int, int]]:
    """(completed, failed, bytes) of each store."""
    failed = func.sum(case((_has_status(FAILED), 1), else_=0))
    query = select(vector_store_files.c.store, func.count(), failed, func.sum(vector_store_files.c.bytes))
    rows = connection.execute(
        query.where(vector_store_files.c.store.in_(stores)).group_by(vector_store_files.c.store)
    ).all()
    known = {store: (total - failed, int(failed), int(size)) for store, total, failed, size in rows}
    return {store: known.get(store, (0, 0, 0)) for store in stores}


def refuse_status(status: str | None) -> None:
    """Raises ApiError 400."""
    if status not in (None, "in_progress", COMPLETED, FAILED, "cancelled"):
        what = f"filter: must be in_progress, completed, failed or cancelled, not {status!r}."
        raise ApiError(400, what, code="invalid_value", param="filter")


def _has_status(status: str) -> Any:
    """Files are read before they are there, so that none is ever in progress, or was cancelled."""
    code = vector_store_files.c.error_code
    return {COMPLETED: code.is_(None), FAILED: code.is_not(None)}.get(status, false())


def _is(store: str, file: str) -> Any:
    return and_(vector_store_files.c.store == store, vector_store_files.c.file == file)


def _touch(connection: Connection, store: str, now: float) -> None:
    changed = update(vector_stores).where(vector_stores.c.id == store)
    connection.execute(changed.values(version=vector_stores.c.version + 1, changed_at=now))
