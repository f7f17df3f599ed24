"""What a worker's child does for a chore. Needs torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, and_, select, update

from whet.errors import InputError, WhetError
from whet.server.database.opening import Database
from whet.server.database.tables import files, jobs
from whet.server.files.content import linked
from whet.server.files.first_row import method_of_file, plain_places
from whet.server.jobs.beginnings import Beginning
from whet.server.jobs.children.estimate import estimate_of
from whet.server.jobs.children.examination import Examined, Refusal, examine, summary_of
from whet.server.jobs.children.merged_base import make_base
from whet.server.jobs.children.numbers import Settled, settle
from whet.server.jobs.children.upkeep import export_version, plan_retrain
from whet.server.jobs.chores import (
    ESTIMATE,
    EXAMINE,
    EXPORT,
    FORECAST,
    RETRAIN_PLAN,
    VALIDATE,
    Chore,
    add_chore,
    finish_chore,
)
from whet.server.jobs.events import add_event
from whet.server.jobs.places import content_of, job_folder, run_root
from whet.server.jobs.queue import fail
from whet.server.jobs.recipe import TRAINING
from whet.server.jobs.states import OVER, QUEUED, VALIDATING
from whet.store.atomic import remove

MOST_TOLD = 8
"""Findings of the doctor that become events of a job."""


def do_chore(database: Database, home: Path, chore: Chore, owner: str) -> None:
    """Does it and writes down what came of it, in one transaction with what it changes."""
    work = {EXAMINE: _examine, VALIDATE: _validate, ESTIMATE: _estimate, FORECAST: _forecast}
    work |= {EXPORT: export_version, RETRAIN_PLAN: plan_retrain}
    work[chore.kind](database, home, chore, owner)


def give_up(database: Database, chore: Chore, owner: str) -> None:
    """Its workers died too often: whoever waits for it is told so."""
    what = "the look at it took its worker with it several times"
    with database.write() as connection:
        now = database.now(connection)
        if chore.kind == EXAMINE:
            told = {"status": "error", "status_details": f"This file could not be examined: {what}."}
            connection.execute(update(files).where(files.c.id == chore.subject["file"]).values(**told))
        if chore.kind == VALIDATE and _is_waiting(connection, chore.subject["job"]):
            fail(connection, chore.subject["job"], Refusal("worker_lost", f"{what}.", None).facts(), now)
        finish_chore(connection, chore, owner, {"error": {"code": "worker_lost", "message": what, "param": None}})


def _examine(database: Database, home: Path, chore: Chore, owner: str) -> None:
    name = chore.subject["file"]
    place = job_folder(home, chore.id) / TRAINING
    root = run_root(home, chore.project)
    try:
        with linked(content_of(home, name), place):
            values = {"data": str(place), "base": chore.subject["base"], "method": method_of_file(place)}
            examined = examine(values, root)
    except InputError as error:  # it was deleted meanwhile
        examined = Examined(refusal=Refusal("file_gone", error.what))
    finally:
        remove(place.parent)

    refused = examined.refusal is not None and examined.refusal.code != "invalid_n_examples"
    told = {
        "status": "error" if refused else "processed",
        "status_details": summary_of(examined),
        "findings": examined.findings,
        "rows": examined.rows or None,
    }
    with database.write() as connection:
        connection.execute(update(files).where(files.c.id == name).values(**told))
        finish_chore(connection, chore, owner, None)


def _looked_at(chore: Chore, root: Path) -> tuple[Examined, Settled | None]:
    """The doctor's look with the recipe of the job, and the numbers of it where nothing speaks against it."""
    given = chore.subject
    try:
        make_base(Beginning(given["recipe"]["base"], given.get("run")))
    except WhetError as error:
        return Examined(refusal=Refusal("model_cannot_be_continued", plain_places(str(error)), "model")), None
    examined = examine(given["recipe"], root, given["columns"])
    if examined.refusal is not None:
        return examined, None
    try:
        return examined, settle(given["recipe"], given["hyperparameters"], root)
    except InputError as error:
        examined.refusal = Refusal("invalid_recipe", f"{error.where}: {error.what} ({error.fix})", None)
        return examined, None


def _validate(database: Database, home: Path, chore: Chore, owner: str) -> None:
    job = chore.subject["job"]
    examined, settled = _looked_at(chore, run_root(home, chore.project))
    with database.write() as connection:
        now = database.now(connection)
        finish_chore(connection, chore, owner, None)
        if not _is_waiting(connection, job):
            return  # cancelled, or validated by somebody else
        if settled is None:
            assert examined.refusal is not None
            fail(connection, job, examined.refusal.facts(), now)
            return

        _tell(connection, job, examined, now)
        ready = {"state": QUEUED, "recipe": settled.recipe, "hyperparameters": settled.hyperparameters}
        connection.execute(update(jobs).where(jobs.c.id == job).values(**ready))
        add_event(connection, job, "Files validated, moving job to queued state", now)
        add_chore(connection, chore.project, FORECAST, {"job": job, "recipe": settled.recipe}, now)


def _tell(connection: Connection, job: str, examined: Examined, now: float) -> None:
    """What the doctor found, before anything is trained."""
    for finding in examined.findings[:MOST_TOLD]:
        data = {"code": finding["code"], "lines": finding["lines"], "count": finding["count"], "fix": finding["fix"]}
        level = "warn" if finding["severity"] != "info" else "info"
        add_event(connection, job, finding["message"], now, level, data)


def _estimate(database: Database, home: Path, chore: Chore, owner: str) -> None:
    folder = Path(chore.subject["folder"])
    root = run_root(home, chore.project)
    try:
        examined, settled = _looked_at(chore, root)
        if settled is None:
            assert examined.refusal is not None
            result: dict[str, Any] = {"error": examined.refusal.facts()}
        else:
            facts = {
                "rows": examined.rows,
                "rows_dropped": examined.dropped,
                "can_prove": examined.power,
                "findings": examined.findings,
                "hyperparameters": settled.hyperparameters,
            }
            result = {**estimate_of(settled.recipe, root), **facts}
    except WhetError as error:
        result = {"error": Refusal("cannot_be_estimated", str(error), None).facts()}
    finally:
        remove(folder)

    with database.write() as connection:
        finish_chore(connection, chore, owner, result)


def _forecast(database: Database, home: Path, chore: Chore, owner: str) -> None:
    """Only for a job that is not over yet; what cannot be planned has no expected times."""
    job = chore.subject["job"]
    with database.read() as connection:
        wanted = connection.execute(select(jobs.c.id).where(jobs.c.id == job, jobs.c.state.not_in(OVER))).first()

    estimate = None
    if wanted is not None:
        try:
            estimate = estimate_of(chore.subject["recipe"], run_root(home, chore.project))
        except WhetError:
            estimate = None
    with database.write() as connection:
        if estimate is not None:
            connection.execute(update(jobs).where(jobs.c.id == job).values(estimate=estimate))
        finish_chore(connection, chore, owner, None)


def _is_waiting(connection: Connection, job: str) -> bool:
    query = select(jobs.c.id).where(and_(jobs.c.id == job, jobs.c.state == VALIDATING)).with_for_update()
    return connection.execute(query).first() is not None
