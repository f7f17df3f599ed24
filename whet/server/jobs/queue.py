"""The durable queue: a job is claimed with a lease and a fence, and given back, ended or taken over.

A worker that presents an old fence is refused in the transaction in which it writes: by then somebody else has the job,
or nobody wants it any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, func, or_, select, update

from whet.server.database.opening import Database
from whet.server.database.tables import jobs
from whet.server.jobs.events import add_event
from whet.server.jobs.fair_share import count_by_project, rank, recent_starts
from whet.server.jobs.states import FAILED, QUEUED, RUNNING

LEASE_SECONDS = 20.0
"""A worker that is not heard of for so long is taken for dead; it beats every second."""
MOST_ATTEMPTS = 10
"""Workers that a job may take with it without getting anywhere: one that is fatal ends, and on a machine where things
are killed every few seconds others still get their turn."""
OF_A_PROJECT = 8
"""Oldest waiting jobs of each project that a claim looks at."""


class LeaseLost(Exception):
    """The job is somebody else's by now, or nobody wants it any more."""


@dataclass(frozen=True, slots=True)
class Lease:
    job: str
    project: str
    owner: str
    fence: int


def claim(database: Database, owner: str) -> Lease | None:
    """The job whose turn it is, or whose worker is gone; None where nothing waits."""
    with database.read() as connection:
        if connection.execute(select(jobs.c.id).where(_free(database.now(connection))).limit(1)).first() is None:
            return None

    with database.write() as connection:
        now = database.now(connection)
        for row in _in_turn(connection, now):
            query = select(jobs).where(jobs.c.id == row.id, _free(now)).with_for_update(skip_locked=True)
            locked = connection.execute(query).first()
            if locked is not None and (lease := _take(connection, locked, owner, now)) is not None:
                return lease
    return None


def claim_job(database: Database, name: str, fence: int, owner: str) -> Lease | None:
    """This job, where it still waits and nobody had or stopped it since it had this fence; else None."""
    with database.write() as connection:
        now = database.now(connection)
        waits = (jobs.c.id == name, jobs.c.fence == fence, jobs.c.state == QUEUED)
        row = connection.execute(select(jobs).where(*waits).with_for_update()).first()
        return None if row is None else _take(connection, row, owner, now)


def requeue_lost(database: Database) -> None:
    """Jobs whose worker is gone wait again, for whoever submits waiting jobs by their fence."""
    with database.read() as connection:
        if connection.execute(select(jobs.c.id).where(_dead(database.now(connection))).limit(1)).first() is None:
            return

    with database.write() as connection:
        now = database.now(connection)
        for row in connection.execute(select(jobs).where(_dead(now)).with_for_update(skip_locked=True)).all():
            if row.attempts >= MOST_ATTEMPTS:
                _give_up(connection, row, UNHEARD, now)
                continue
            back = {"state": QUEUED, **FREED, "fence": row.fence + 1}
            connection.execute(update(jobs).where(jobs.c.id == row.id).values(**back))
            add_event(connection, row.id, GONE, now, "warn")


def renew(database: Database, lease: Lease) -> None:
    """The worker lives. Raises LeaseLost."""
    with held_by(database, lease) as (connection, _):
        until = database.now(connection) + LEASE_SECONDS
        connection.execute(update(jobs).where(jobs.c.id == lease.job).values(lease_until=until))


@contextmanager
def held_by(database: Database, lease: Lease) -> Iterator[tuple[Connection, Row]]:
    """A transaction in which this lease holds: what is written in it is not written over a successor's. Gives the
    job's row, too. Raises LeaseLost."""
    with database.write() as connection:
        row = connection.execute(select(jobs).where(jobs.c.id == lease.job).with_for_update()).first()
        if row is None or row.fence != lease.fence or row.state != RUNNING:
            raise LeaseLost(lease.job)
        yield connection, row


def release(database: Database, lease: Lease, failed: str | None = None) -> None:
    """Back into the queue, and exactly on from the last checkpoint. `failed` says how the worker's program ended; a
    worker that stops because it is told to has not failed. Raises LeaseLost."""
    with held_by(database, lease) as (connection, row):
        now = database.now(connection)
        if failed is not None and row.attempts >= MOST_ATTEMPTS:
            _give_up(connection, row, failed, now)
            return

        back: dict[str, Any] = {"state": QUEUED, **FREED, "fence": row.fence + 1}
        if failed is None:
            back["attempts"] = row.attempts - 1
        else:
            add_event(
                connection, row.id, f"The job's program ended ({failed}); it goes on from its checkpoint", now, "warn"
            )
        connection.execute(update(jobs).where(jobs.c.id == row.id).values(**back))


def fail(connection: Connection, job: str, error: dict[str, Any], now: float) -> None:
    """The job is over. The caller holds its row."""
    ended = {"state": FAILED, **FREED, "fence": jobs.c.fence + 1, "finished_at": now, "error": error}
    connection.execute(update(jobs).where(jobs.c.id == job).values(**ended))
    add_event(connection, job, f"The job failed: {error['message']}", now, "error", {"code": error["code"]})


def note_progress(connection: Connection, row: Row, step: int) -> None:
    """A job that got further than any worker before has its attempts counted anew."""
    if step > row.progress:
        connection.execute(update(jobs).where(jobs.c.id == row.id).values(progress=step, attempts=1))


GONE = "Its worker is gone; the job goes on from its checkpoint"
UNHEARD = "its worker was not heard of any more"
FREED: dict[str, Any] = {"owner": None, "lease_until": None, "phase": None}


def _free(now: float) -> Any:
    return or_(jobs.c.state == QUEUED, _dead(now))


def _dead(now: float) -> Any:
    return and_(jobs.c.state == RUNNING, jobs.c.lease_until < now)


def _in_turn(connection: Connection, now: float) -> list[Row]:
    """Those whose worker is gone first; then by fair share."""
    place = func.row_number().over(partition_by=(jobs.c.project, jobs.c.state), order_by=jobs.c.created_at)
    columns = (jobs.c.id, jobs.c.project, jobs.c.state, jobs.c.created_at, place.label("place"))
    inner = select(*columns).where(_free(now)).subquery()
    rows = list(connection.execute(select(inner).where(inner.c.place <= OF_A_PROJECT)))

    running = count_by_project(connection, and_(jobs.c.state == RUNNING, jobs.c.lease_until >= now))
    recent = recent_starts(connection, now)
    return sorted(rows, key=lambda row: (row.state == QUEUED, rank(row, running, recent)))


def _take(connection: Connection, row: Row, owner: str, now: float) -> Lease | None:
    if row.attempts >= MOST_ATTEMPTS:
        _give_up(connection, row, UNHEARD, now)
        return None

    taken: dict[str, Any] = {
        "state": RUNNING,
        "owner": owner,
        "fence": row.fence + 1,
        "lease_until": now + LEASE_SECONDS,
        "attempts": row.attempts + 1,
    }
    if row.started_at is None:
        taken["started_at"] = now
        add_event(connection, row.id, "Fine-tuning job started", now)
    elif row.state == RUNNING:
        add_event(connection, row.id, GONE, now, "warn")
    connection.execute(update(jobs).where(jobs.c.id == row.id).values(**taken))
    return Lease(row.id, row.project, owner, row.fence + 1)


def _give_up(connection: Connection, row: Row, how: str, now: float) -> None:
    what = f"{row.attempts} workers were lost with this job, and it got no further in any of them; the last: {how}."
    fail(connection, row.id, {"code": "worker_lost", "message": what, "param": None}, now)
