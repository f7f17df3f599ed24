"""Projects and jobs written straight into a database, for tests of what works them off."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, select

from whet.server.access.keys import project_of
from whet.server.database.identifiers import new_id
from whet.server.database.opening import Database
from whet.server.database.tables import jobs


def add_job(database: Database, project: str = "default", **values: Any) -> str:
    """A queued job of a project by name; gives its identifier."""
    with database.write() as connection:
        now = database.now(connection)
        made = {
            "id": new_id("ftjob-"),
            "project": project_of(connection, project, now),
            "request": {},
            "body_sha256": "",
            "model": "nano",
            "training_file": "file-x",
            "state": "queued",
            "seed": 0,
            "hyperparameters": {},
            "created_at": now,
            "attempts": 0,
            "progress": -1,
            "fence": 0,
            **values,
        }
        connection.execute(jobs.insert().values(**made))
    return str(made["id"])


def job_row(database: Database, name: str) -> Row:
    with database.read() as connection:
        return connection.execute(select(jobs).where(jobs.c.id == name)).one()
