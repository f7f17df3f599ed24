"""What must go by itself: files and checkpoints whose time is over, and what nobody owns."""

from __future__ import annotations

import time
from pathlib import Path

from sqlalchemy import delete, select

from whet.server.database.opening import Database
from whet.server.database.tables import checkpoints, files, jobs, models
from whet.server.files.content import Contents
from whet.server.files.records import expire_files
from whet.server.jobs.chores import sweep_chores
from whet.server.jobs.places import job_folder
from whet.server.jobs.recipe import TRAINING, VALIDATION
from whet.server.jobs.states import OVER
from whet.store.atomic import remove

YOUNG_SECONDS = 3600.0
"""Contents without a row may be of an upload that is just being written down."""


def tidy(database: Database, contents: Contents, home: Path) -> None:
    for name in expire_files(database):
        forget_content(database, contents, home, name)
    forget_deleted(database, home)
    expire_checkpoints(database)
    sweep_chores(database)
    contents.sweep()
    _remove_orphans(database, contents)


def forget_content(database: Database, contents: Contents, home: Path, name: str) -> None:
    """The content of a file that was deleted, also from the folders of jobs that are over; one that is not over reads
    it to its end."""
    contents.remove(name)
    with database.read() as connection:
        query = select(jobs.c.id, jobs.c.training_file, jobs.c.validation_file).where(
            jobs.c.state.in_(OVER), (jobs.c.training_file == name) | (jobs.c.validation_file == name)
        )
        over = list(connection.execute(query))
    for row in over:
        for which, used in ((TRAINING, row.training_file), (VALIDATION, row.validation_file)):
            if used == name:
                (job_folder(home, row.id) / which).unlink(missing_ok=True)


def forget_deleted(database: Database, home: Path) -> None:
    """Jobs that are over let go of files that were deleted while they were not."""
    with database.read() as connection:
        for which, column in ((TRAINING, jobs.c.training_file), (VALIDATION, jobs.c.validation_file)):
            query = select(jobs.c.id).join(files, files.c.id == column)
            gone = query.where(jobs.c.state.in_(OVER), files.c.deleted_at.is_not(None))
            for job in connection.execute(gone).scalars():
                (job_folder(home, job) / which).unlink(missing_ok=True)


def expire_checkpoints(database: Database) -> None:
    """First what names them, then what they are: a name that answers always has its folder."""
    with database.read() as connection:
        over = select(checkpoints).where(checkpoints.c.expires_at <= database.now(connection))
        rows = list(connection.execute(over))
    if not rows:
        return
    with database.write() as connection:
        connection.execute(delete(models).where(models.c.name.in_([row.model for row in rows])))
        connection.execute(delete(checkpoints).where(checkpoints.c.id.in_([row.id for row in rows])))
    for row in rows:
        remove(Path(row.folder))


def _remove_orphans(database: Database, contents: Contents) -> None:
    """Contents whose row was never written, because the server died in between."""
    for path in contents.folder.iterdir():
        if path.name.startswith(".") or time.time() - path.stat().st_mtime < YOUNG_SECONDS:
            continue
        with database.read() as connection:
            alive = select(files.c.id).where(files.c.id == path.name, files.c.deleted_at.is_(None))
            known = connection.execute(alive).first()
        if known is None:
            contents.remove(path.name)
