"""Jobs as clients see them: found, listed, cancelled, paused, resumed; every query is by project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, select, update

from whet.server.database.identifiers import is_id
from whet.server.database.opening import Database
from whet.server.database.paging import Page, page_of
from whet.server.database.tables import checkpoints, jobs
from whet.server.errors import ApiError, not_found
from whet.server.jobs.events import add_event
from whet.server.jobs.states import CANCELLED, OVER, PAUSED, QUEUED, RUNNING

JOB = "fine-tuning job"
LOOKED_AT = 200
"""Jobs that are read at once while a filter is applied."""


def find_job(connection: Connection, project: str, name: str, lock: bool = False) -> Row:
    """Raises ApiError 404."""
    row = None
    if is_id(name):
        query = select(jobs).where(jobs.c.id == name, jobs.c.project == project)
        row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise not_found(JOB, name)
    return row


def list_jobs(
    database: Database, project: str, limit: int, after: str | None, metadata: Mapping[str, str] | None | bool
) -> tuple[list[Row], bool]:
    """The newest first. `metadata`: pairs that a job must have; None: only jobs without any; False: all jobs."""
    page = Page(jobs.c.id, (jobs.c.created_at, jobs.c.id), limit=limit)
    with database.read() as connection:
        if metadata is False or metadata == {}:
            return page_of(connection, select(jobs), jobs.c.project == project, page, after)

        found: list[Row] = []
        more = True
        wide = Page(page.name, page.keys, limit=LOOKED_AT)
        while more and len(found) <= limit:
            rows, more = page_of(connection, select(jobs), jobs.c.project == project, wide, after)
            found += [row for row in rows if _has(row, metadata)]
            after = rows[-1].id if rows else after
    return found[:limit], len(found) > limit


def cancel_job(database: Database, project: str, name: str) -> Row:
    """Over at once; a worker that is at it notices that its fence is no more, and ends what it runs."""
    with database.write() as connection:
        row = find_job(connection, project, name, lock=True)
        if row.state in OVER:
            raise _wrong_state(row, "cancelled")
        now = database.now(connection)
        _change(connection, row, state=CANCELLED, finished_at=now)
        add_event(connection, name, "Fine-tuning job was cancelled", now)
        return find_job(connection, project, name)


def pause_job(database: Database, project: str, name: str) -> Row:
    """What was learned up to the last checkpoint is kept."""
    with database.write() as connection:
        row = find_job(connection, project, name, lock=True)
        if row.state not in (QUEUED, RUNNING):
            raise _wrong_state(row, "paused")
        _change(connection, row, state=PAUSED)
        add_event(connection, name, "Fine-tuning job paused", database.now(connection))
        return find_job(connection, project, name)


def resume_job(database: Database, project: str, name: str) -> Row:
    with database.write() as connection:
        row = find_job(connection, project, name, lock=True)
        if row.state != PAUSED:
            raise _wrong_state(row, "resumed")
        _change(connection, row, state=QUEUED, attempts=0)
        add_event(connection, name, "Fine-tuning job resumed, moving job to queued state", database.now(connection))
        return find_job(connection, project, name)


def list_checkpoints(database: Database, job: str, limit: int, after: str | None) -> tuple[list[Row], bool]:
    """The newest first; those whose time is over are gone."""
    with database.read() as connection:
        page = Page(checkpoints.c.id, (checkpoints.c.step,), limit=limit)
        return page_of(connection, select(checkpoints), checkpoints.c.job == job, page, after)


def _has(row: Row, metadata: Mapping[str, str] | None | bool) -> bool:
    own = row.job_metadata or {}
    if not isinstance(metadata, Mapping):
        return not own
    return all(own.get(key) == value for key, value in metadata.items())


def _change(connection: Connection, row: Row, **values: Any) -> None:
    """The fence grows, so that what a worker still writes is refused."""
    free = {"fence": row.fence + 1, "owner": None, "lease_until": None, "phase": None, "estimated_finish": None}
    connection.execute(update(jobs).where(jobs.c.id == row.id).values(**free | values))


def _wrong_state(row: Row, wanted: str) -> ApiError:
    what = f"Job {row.id} is {row.state.replace('_', ' ')}, and cannot be {wanted}."
    return ApiError(400, what, code="invalid_job_state")
