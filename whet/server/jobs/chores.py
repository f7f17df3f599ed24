"""Short work that waits for a worker: to examine a file, to validate a job, to estimate one.

A chore whose worker died is taken again, and given up after a few times; doing one twice changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, delete, or_, select, update

from whet.server.database.identifiers import new_id
from whet.server.database.opening import Database
from whet.server.database.tables import chores

EXAMINE, VALIDATE, ESTIMATE, FORECAST = "examine", "validate", "estimate", "forecast"
"""A file; a job's files with its recipe; a job that a client would create; a job that waits."""
EXPORT, RETRAIN_PLAN = "export", "retrain plan"
"""A version in a form that others read; what the next version of a model would learn from, and cost."""
LEASE_SECONDS = 15.0
MOST_ATTEMPTS = 3
KEPT_SECONDS = 3600.0
"""How long a result waits for whoever asked."""


@dataclass(frozen=True, slots=True)
class ChoreState:
    """Of a chore that somebody waits for."""

    subject: dict[str, Any]
    state: str
    """waiting, running or done."""
    phase: str
    """What it is at; empty before it says so, and once it is done."""
    wrong: str
    """Why nothing came of it; empty where something did, or has not yet."""
    result: dict[str, Any]
    """What came of it; empty until then."""

    @property
    def is_over(self) -> bool:
        return self.state == "done"


@dataclass(frozen=True, slots=True)
class Chore:
    id: str
    project: str
    kind: str
    subject: dict[str, Any]
    given_up: bool = False
    """Its workers died too often: it is to be told so, not to be done."""


def add_chore(connection: Connection, project: str, kind: str, subject: dict[str, Any], now: float) -> str:
    name = new_id("chore_")
    values = {"id": name, "project": project, "kind": kind, "subject": subject, "state": "waiting", "created_at": now}
    connection.execute(chores.insert().values(**values, attempts=0))
    return name


def claim_chore(database: Database, owner: str) -> Chore | None:
    """The oldest that waits, or whose worker is gone."""
    with database.read() as connection:
        if connection.execute(select(chores.c.id).where(_free(database.now(connection))).limit(1)).first() is None:
            return None

    with database.write() as connection:
        now = database.now(connection)
        query = select(chores).where(_free(now)).order_by(chores.c.created_at, chores.c.id).limit(1)
        row = connection.execute(query.with_for_update(skip_locked=True)).first()
        if row is None:
            return None

        taken = {"state": "running", "owner": owner, "lease_until": now + LEASE_SECONDS, "attempts": row.attempts + 1}
        connection.execute(update(chores).where(chores.c.id == row.id).values(**taken))
        return Chore(row.id, row.project, row.kind, row.subject, row.attempts >= MOST_ATTEMPTS)


def renew_chore(database: Database, name: str, owner: str) -> bool:
    """False where another worker has it by now."""
    with database.write() as connection:
        mine = and_(chores.c.id == name, chores.c.owner == owner, chores.c.state == "running")
        until = database.now(connection) + LEASE_SECONDS
        return connection.execute(update(chores).where(mine).values(lease_until=until)).rowcount > 0


def finish_chore(connection: Connection, chore: Chore, owner: str, result: dict[str, Any] | None) -> None:
    done = {"state": "done", "result": result, "lease_until": None}
    mine = and_(chores.c.id == chore.id, chores.c.owner == owner)
    connection.execute(update(chores).where(mine).values(**done))


def release_chore(database: Database, name: str, owner: str, failed: bool) -> None:
    """Back to the others; where it `failed` that counts as a try."""
    with database.write() as connection:
        mine = and_(chores.c.id == name, chores.c.owner == owner, chores.c.state == "running")
        back: dict[str, Any] = {"state": "waiting", "owner": None, "lease_until": None}
        if not failed:
            back["attempts"] = chores.c.attempts - 1
        connection.execute(update(chores).where(mine).values(**back))


def note_phase(database: Database, chore: Chore, owner: str, phase: str) -> None:
    """What it is at, for whoever waits; its result takes the place of that."""
    mine = and_(chores.c.id == chore.id, chores.c.owner == owner, chores.c.state == "running")
    with database.write() as connection:
        connection.execute(update(chores).where(mine).values(result={"phase": phase}))


def result_of(database: Database, name: str) -> dict[str, Any] | None:
    """None while it is not done."""
    with database.read() as connection:
        return connection.execute(select(chores.c.result).where(chores.c.id == name, chores.c.state == "done")).scalar()


def latest_chores(database: Database, project: str, kind: str, most: int) -> list[ChoreState]:
    """Of a project and kind, with those that were done within KEPT_SECONDS; the newest first."""
    query = select(chores).where(chores.c.project == project, chores.c.kind == kind)
    with database.read() as connection:
        rows = connection.execute(query.order_by(chores.c.created_at.desc(), chores.c.id).limit(most)).all()
    return [_state(row.subject, row.state, row.result or {}) for row in rows]


def _state(subject: dict[str, Any], state: str, told: dict[str, Any]) -> ChoreState:
    wrong = (told.get("error") or {}).get("message", "")
    result = told if state == "done" and not wrong else {}
    return ChoreState(subject, state, "" if state == "done" else str(told.get("phase") or ""), wrong, result)


def sweep_chores(database: Database) -> None:
    """Those that nobody asks about any more."""
    with database.write() as connection:
        old = database.now(connection) - KEPT_SECONDS
        connection.execute(delete(chores).where(chores.c.state == "done", chores.c.created_at < old))


def _free(now: float) -> Any:
    dead = and_(chores.c.state == "running", chores.c.lease_until < now)
    return or_(chores.c.state == "waiting", dead)
