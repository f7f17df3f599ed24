"""The rows of models that jobs made: a run, or a checkpoint of one."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

from whet.server.database.tables import models


def add_model(
    connection: Connection, name: str, project: str, parent: str, folder: Path, now: float, job: str | None = None
) -> None:
    """From now on `name` answers. `folder` is a run, or the model folder of a checkpoint; `parent` what it was trained
    from."""
    values = {"name": name, "project": project, "parent": parent, "folder": str(folder), "job": job}
    connection.execute(models.insert().values(**values, pinned=False, created_at=now))
