"""An estimate that a client waits for: a worker makes it, from links to the files that are gone afterwards."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import delete

from whet.server.database.identifiers import new_id
from whet.server.database.opening import Database
from whet.server.database.tables import chores
from whet.server.errors import ApiError
from whet.server.jobs.chores import ESTIMATE, add_chore, result_of
from whet.server.jobs.creation import Asker, check_body, facts_of, fill_folder
from whet.server.jobs.places import job_folder
from whet.server.jobs.request import JobBody
from whet.server.settings import Settings
from whet.store.atomic import remove

LOOK_SECONDS = 0.25


def ask_for_estimate(
    database: Database, settings: Settings, body: JobBody, asker: Asker, seconds: float
) -> dict[str, Any]:
    """Raises ApiError as the job would be refused, and 503 where no worker has time."""
    folder = job_folder(settings.home, new_id("estimate-"))
    try:
        with database.write() as connection:
            now = database.now(connection)
            beginning = check_body(connection, body, settings, asker, folder, now)
            fill_folder(body, settings, folder)
            subject = {"folder": str(folder), **facts_of(body, beginning, body.seed or 0, folder)}
            chore = add_chore(connection, asker.project, ESTIMATE, subject, now)
    except BaseException:
        remove(folder)
        raise

    until = time.monotonic() + seconds
    while (result := result_of(database, chore)) is None:
        if time.monotonic() > until:
            with database.write() as connection:
                connection.execute(delete(chores).where(chores.c.id == chore))
            remove(folder)
            what = "No worker had time for an estimate: ask again later."
            raise ApiError(503, what, code="no_worker", headers={"Retry-After": "60"})
        time.sleep(LOOK_SECONDS)

    if "error" in result:
        error = result["error"]
        raise ApiError(400, error["message"], code=error["code"], param=error["param"])
    return result
