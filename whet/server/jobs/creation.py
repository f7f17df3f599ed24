"""A job is made: its files are linked into its folder, its row, first events and first chore written in one go."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, func, select

from whet.server.database.identifiers import new_id
from whet.server.database.tables import jobs, projects
from whet.server.errors import ApiError
from whet.server.files.content import link
from whet.server.files.records import TUNING, find_file
from whet.server.jobs.beginnings import Beginning, find_beginning
from whet.server.jobs.chores import VALIDATE, add_chore
from whet.server.jobs.events import add_event
from whet.server.jobs.graders.build import Means, columns_of
from whet.server.jobs.graders.reward import reward_file
from whet.server.jobs.places import content_of, job_folder
from whet.server.jobs.recipe import GRADER, TRAINING, VALIDATION, recipe_values, refuse_recipe
from whet.server.jobs.request import LARGEST_SEED, JobBody, refuse_job
from whet.server.jobs.states import VALIDATING, WAITING
from whet.server.settings import Settings
from whet.store.atomic import remove, write_text

AGAIN_SECONDS = 600.0
"""How long a body that a client sends again means the job that it made the first time."""
AS_GIVEN = {"reasoning_effort": "default"}
"""What is told of a hyperparameter that was left out, where that is not "auto"."""


@dataclass(frozen=True, slots=True)
class Asker:
    """For whom a job is made, whether the client says that it sends this body again, and the trace of its request."""

    project: str
    key: str | None
    again: bool = False
    trace: dict[str, str] | None = None


def check_body(
    connection: Connection, body: JobBody, settings: Settings, asker: Asker, folder: Path, now: float
) -> Beginning:
    """What it begins from; what is wrong with a request is told here. Raises ApiError 400, 404."""
    beginning = find_beginning(connection, body.model, settings, asker.project)
    refuse_job(body, Means.of(settings))
    refuse_recipe(body, beginning.base, folder)

    for key in ("training_file", "validation_file"):
        name = getattr(body, key)
        if name and find_file(connection, asker.project, name, now, key).purpose != TUNING:
            what = f"{key}: {name} was uploaded for another purpose; upload it with purpose={TUNING!r}."
            raise ApiError(400, what, code="invalid_file_purpose", param=key)
    return beginning


def create_job(connection: Connection, body: JobBody, settings: Settings, asker: Asker, now: float) -> Row:
    """Raises ApiError 400, 404, and 429 where too many of the project wait already."""
    connection.execute(select(projects.c.id).where(projects.c.id == asker.project).with_for_update())
    if asker.again and (before := _made_before(connection, body, asker, now)) is not None:
        return before

    name = new_id("ftjob-")
    folder = job_folder(settings.home, name)
    beginning = check_body(connection, body, settings, asker, folder, now)
    _refuse_many(connection, asker.project, settings.most_jobs)
    try:
        fill_folder(body, settings, folder)
        return _insert(connection, name, body, beginning, asker, folder, now)
    except BaseException:
        remove(folder)
        raise


def _insert(
    connection: Connection,
    name: str,
    body: JobBody,
    beginning: Beginning,
    asker: Asker,
    folder: Path,
    now: float,
) -> Row:
    seed = secrets.randbelow(LARGEST_SEED) if body.seed is None else body.seed
    given = body.settings.model_dump(mode="json")
    connection.execute(
        jobs.insert().values(
            id=name,
            project=asker.project,
            key=asker.key,
            request=body.told() | ({"trace": asker.trace} if asker.trace else {}),
            body_sha256=body.sha256,
            model=body.model,
            training_file=body.training_file,
            validation_file=body.validation_file,
            state=VALIDATING,
            seed=seed,
            suffix=body.suffix,
            job_metadata=body.metadata,
            hyperparameters={
                key: AS_GIVEN.get(key, "auto") if value is None else value for key, value in given.items()
            },
            created_at=now,
            attempts=0,
            progress=-1,
            fence=0,
        )
    )
    add_event(connection, name, f"Created fine-tuning job: {name}", now)
    files = f"training file: {body.training_file}"
    if body.validation_file:
        files += f" and validation file: {body.validation_file}"
    add_event(connection, name, f"Validating {files}", now)

    add_chore(connection, asker.project, VALIDATE, {"job": name, **facts_of(body, beginning, seed, folder)}, now)
    return connection.execute(select(jobs).where(jobs.c.id == name)).one()


def facts_of(body: JobBody, beginning: Beginning, seed: int, folder: Path) -> dict[str, Any]:
    """What a chore must know of a request."""
    return {
        "recipe": recipe_values(body, beginning.base, seed, folder),
        "run": beginning.run,
        "hyperparameters": body.settings.model_dump(mode="json"),
        "columns": sorted(columns_of(body.grader)) if body.grader is not None else [],
    }


def fill_folder(body: JobBody, settings: Settings, folder: Path) -> None:
    link(content_of(settings.home, body.training_file), folder / TRAINING)
    if body.validation_file:
        link(content_of(settings.home, body.validation_file), folder / VALIDATION)
    if body.grader is not None:
        grader = body.grader.model_dump(mode="json", exclude_unset=True)
        write_text(folder / GRADER, reward_file(grader, Means.of(settings)))


def _made_before(connection: Connection, body: JobBody, asker: Asker, now: float) -> Row | None:
    query = select(jobs).where(
        jobs.c.project == asker.project, jobs.c.body_sha256 == body.sha256, jobs.c.created_at > now - AGAIN_SECONDS
    )
    return connection.execute(query.order_by(jobs.c.created_at.desc()).limit(1)).first()


def _refuse_many(connection: Connection, project: str, most: int) -> None:
    query = select(func.count()).where(jobs.c.project == project, jobs.c.state.in_(WAITING))
    waiting = connection.execute(query).scalar_one()
    if waiting >= most:
        what = f"{waiting} jobs of this project wait already, and no more may: wait for one to end, or cancel one."
        raise ApiError(429, what, code="too_many_jobs", headers={"x-should-retry": "false", "Retry-After": "60"})
