"""What the database says of files; every query is by project."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, or_, select, update

from whet.errors import shorten
from whet.server.database.identifiers import is_id, new_id
from whet.server.database.opening import Database
from whet.server.database.paging import Order, Page, page_of
from whet.server.database.tables import files
from whet.server.errors import ApiError, not_found
from whet.server.files.attached import detach_files

TUNING, RESULTS = "fine-tune", "fine-tune-results"
UPLOADED = ("assistants", "batch", TUNING, "vision", "user_data", "evals")
"""Purposes that a client may give."""
SHORTEST_LIFE, LONGEST_LIFE = 3600, 2_592_000
"""Seconds of `expires_after`: an hour to 30 days."""
BATCH_LIFE = LONGEST_LIFE
"""Files for batches expire by themselves, as OpenAI has it."""


@dataclass(frozen=True, slots=True)
class NewFile:
    filename: str
    purpose: str
    size: int
    sha256: str
    lifetime: int | None = None
    """Seconds; None: until it is deleted."""
    status: str = "processed"


def lifetime_of(purpose: str, anchor: str | None, seconds: str | None) -> int | None:
    """Seconds that a file is kept, from the parts expires_after[...] of a body. Raises ApiError 400."""
    if anchor is None and seconds is None:
        return BATCH_LIFE if purpose == "batch" else None

    if anchor != "created_at":
        what = f"expires_after[anchor]: must be 'created_at', not {anchor!r}."
        raise ApiError(400, what, code="invalid_value", param="expires_after[anchor]")
    if seconds is None or not seconds.isascii() or not seconds.isdigit() or len(seconds) > 9:
        what = f"expires_after[seconds]: must be a number of seconds, not {shorten(seconds)}."
        raise ApiError(400, what, code="invalid_value", param="expires_after[seconds]")
    if not SHORTEST_LIFE <= int(seconds) <= LONGEST_LIFE:
        what = f"expires_after[seconds]: must be from {SHORTEST_LIFE} to {LONGEST_LIFE}, not {seconds}."
        raise ApiError(400, what, code="invalid_value", param="expires_after[seconds]")
    return int(seconds)


def refuse_purpose(purpose: str | None) -> str:
    """Raises ApiError 400."""
    if purpose is None:
        raise ApiError(400, "'purpose' is a required property.", code="missing_required_parameter", param="purpose")
    if purpose not in UPLOADED:
        what = f"purpose: must be one of {', '.join(UPLOADED)}, not {shorten(purpose)}."
        raise ApiError(400, what, code="invalid_value", param="purpose")
    return purpose


def insert_file(connection: Connection, project: str, name: str, new: NewFile, now: float) -> None:
    expires = None if new.lifetime is None else now + new.lifetime
    connection.execute(
        files.insert().values(
            id=name,
            project=project,
            filename=new.filename,
            purpose=new.purpose,
            bytes=new.size,
            sha256=new.sha256,
            status=new.status,
            created_at=now,
            expires_at=expires,
        )
    )


def new_file_id() -> str:
    return new_id("file-")


def find_file(connection: Connection, project: str, name: str, now: float, param: str | None = None) -> Row:
    """Raises ApiError 404 for a file that is not there, of another project, deleted or expired."""
    row = None
    if is_id(name):
        row = connection.execute(select(files).where(files.c.id == name, _alive(project, now))).first()
    if row is None:
        raise not_found("file", name, param)
    return row


def list_files(
    database: Database, project: str, limit: int, order: Order, after: str | None, purpose: str | None
) -> tuple[list[Row], bool]:
    with database.read() as connection:
        query = select(files).where(_alive(project, database.now(connection)))
        if purpose is not None:
            query = query.where(files.c.purpose == purpose)
        page = Page(files.c.id, (files.c.created_at, files.c.id), order, limit)
        return page_of(connection, query, files.c.project == project, page, after)


def delete_file(database: Database, project: str, name: str) -> None:
    """Its row stays, without the file, for clients that page. Raises ApiError 404."""
    with database.write() as connection:
        now = database.now(connection)
        find_file(connection, project, name, now)
        connection.execute(update(files).where(files.c.id == name).values(deleted_at=now))
        detach_files(connection, [name], now)


def expire_files(database: Database) -> list[str]:
    """Marks files whose time is over as deleted, and gives their names."""
    with database.read() as connection:
        over = and_(files.c.deleted_at.is_(None), files.c.expires_at <= database.now(connection))
        names = list(connection.execute(select(files.c.id).where(over)).scalars())
    if names:
        with database.write() as connection:
            now = database.now(connection)
            connection.execute(update(files).where(files.c.id.in_(names)).values(deleted_at=now))
            detach_files(connection, names, now)
    return names


def show_file(row: Row) -> dict[str, Any]:
    """OpenAI's object, with the doctor's `findings` and the number of `rows`."""
    return {
        "id": row.id,
        "object": "file",
        "bytes": row.bytes,
        "created_at": int(row.created_at),
        "expires_at": None if row.expires_at is None else int(row.expires_at),
        "filename": row.filename,
        "purpose": row.purpose,
        "status": row.status,
        "status_details": row.status_details,
        "rows": row.rows,
        "findings": row.findings or [],
    }


def _alive(project: str, now: float) -> Any:
    return and_(
        files.c.project == project,
        files.c.deleted_at.is_(None),
        or_(files.c.expires_at.is_(None), files.c.expires_at > now),
    )
