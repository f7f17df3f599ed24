"""What a worker's child runs: one job or one chore, and nothing after it. Its memory is freed by its end."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import select

from whet.errors import DiskFullError, InputError, NonFiniteError, OutOfMemoryError, WhetError
from whet.recipe.schema import Recipe
from whet.server.database.opening import Database, open_database
from whet.server.database.tables import jobs, projects
from whet.server.jobs.children.names import model_name
from whet.server.jobs.children.watching import JobObserver
from whet.server.jobs.chores import Chore
from whet.server.jobs.places import run_folder, run_root
from whet.server.jobs.process_group import begin_group
from whet.server.jobs.queue import Lease, LeaseLost, fail, held_by
from whet.store.atomic import free_bytes
from whet.store.lock import Lock
from whet.store.run import Run

PRELOADED = ("whet.server.jobs.children.preload",)
"""What takes the time at the start of a child: it is imported once, in the process that children are forked from."""
BUSY = 75
"""EX_TEMPFAIL: the run is still held by a process that is being killed; that is no failure of the job."""
BUSY_SECONDS = 20.0
ROOM, BYTES_A_NUMBER, CHECKPOINTS = 256 << 20, 16, 24
"""Bytes that a run takes beside its weights; of a trained number with its state, in two checkpoints and one best;
models that a usual run keeps on the way, at 4 bytes a number."""
CODES: tuple[tuple[type[WhetError], str], ...] = (
    (DiskFullError, "disk_full"),
    (OutOfMemoryError, "out_of_memory"),
    (NonFiniteError, "training_diverged"),
    (InputError, "invalid_input"),
    (WhetError, "training_failed"),
)
log = logging.getLogger("whet.server.jobs")


def run_job(url: str, home: str, lease: Lease, kept: float) -> None:
    """Trains, and writes down how it ended. An exit code other than 0 leaves that to the worker."""
    begin_group()
    database = open_database(url)
    with database.read() as connection:
        row = connection.execute(select(jobs).where(jobs.c.id == lease.job)).one()
        project = connection.execute(select(projects.c.name).where(projects.c.id == row.project)).scalar_one()

    _await_run(run_folder(Path(home), lease.project, lease.job))
    model = model_name(row.model, project, row.suffix, row.id)
    try:
        _train(database, Path(home), lease, row, model, kept)
    except LeaseLost:
        sys.exit(0)
    except WhetError as error:
        _failed(database, lease, next(code for kind, code in CODES if isinstance(error, kind)), _told(error))
    except MemoryError:
        _failed(database, lease, "out_of_memory", "The machine has not enough memory for this job.")
    finally:
        database.close()


def run_chore(url: str, home: str, chore: Chore, owner: str) -> None:
    begin_group()
    from whet.server.jobs.children.chore_work import do_chore, give_up

    database = open_database(url)
    if chore.given_up:
        give_up(database, chore, owner)
    else:
        do_chore(database, Path(home), chore, owner)
    database.close()


def _train(database: Database, home: Path, lease: Lease, row: Any, model: str, kept: float) -> None:
    from whet.recipe.load import load_recipe
    from whet.server.jobs.children.outcome import succeed

    refuse_full_disk(home, (row.estimate or {}).get("trained_parameters") or 0)
    with JobObserver(database, lease, home, model, row.model, kept) as observer:
        result = _made(load_recipe(row.recipe), run_root(home, lease.project), lease.job, observer)
        observer.flush()
        succeed(database, lease, home, model, row.model, result)


def _made(recipe: Recipe, root: Path, name: str, observer: JobObserver) -> Mapping[str, Any]:
    """The run's result. Where no row is held out for a test, who made the job gives the verdict (`whet tune --at`): it
    is trained only, and what its training tells is the result."""
    from whet.release.golden_of_run import golden_of
    from whet.verbs.train import train
    from whet.verbs.tune import tune

    if recipe.asks_for_test:
        return tune(recipe, root, name, observer)
    result = train(recipe, root, name, observer)
    golden_of(Run.open(result.folder), observer)
    return result


def refuse_full_disk(home: Path, trained: int) -> None:
    """Before anything is spent. Raises DiskFullError."""
    needed = ROOM + trained * (3 * BYTES_A_NUMBER + 4 * CHECKPOINTS)
    free = free_bytes(home)
    if free < needed:
        what = f"a job needs about {needed / 1e6:,.0f} MB of disk, and {free / 1e6:,.0f} MB are free"
        raise DiskFullError(what, fix="free some space, then create the job again")


def _failed(database: Database, lease: Lease, code: str, message: str) -> None:
    try:
        with held_by(database, lease) as (connection, row):
            error = {"code": code, "message": message, "param": None}
            fail(connection, row.id, error, database.now(connection))
    except LeaseLost:
        return


def _told(error: WhetError) -> str:
    from whet.server.files.first_row import plain_places

    return plain_places(str(error))


def _await_run(folder: Path) -> None:
    """The process that had the run before may not be gone yet."""
    lock = Lock(folder / "run.lock", "the run")
    until = time.monotonic() + BUSY_SECONDS
    while lock.busy:
        if time.monotonic() > until:
            sys.exit(BUSY)
        time.sleep(0.1)
