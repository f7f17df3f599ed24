"""What a worker's child does for named models: a release in a form that others read, and the plan of a retrain."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from whet.errors import WhetError
from whet.observer import Silent
from whet.server.database.opening import Database
from whet.server.database.tables import projects
from whet.server.files.first_row import plain_places
from whet.server.jobs.children.examination import Refusal
from whet.server.jobs.chores import Chore, finish_chore, note_phase
from whet.server.traces.opening import ServiceSource
from whet.store.atomic import plain
from whet.verbs.releases.export import export
from whet.verbs.upkeep.retrain import retrain


class ChoreObserver(Silent):
    """Tells what the chore is at."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.tell = tell

    def phase(self, name: str, total: int | None = None) -> None:
        self.tell(name)


def export_version(database: Database, home: Path, chore: Chore, owner: str) -> None:
    """Written beside its run and proved; done twice it replaces itself."""
    given = chore.subject

    def made(observer: ChoreObserver) -> dict[str, Any]:
        told = export(given["run"], given["form"], run_root=Path(given["root"]), observer=observer)
        return {"form": told["form"], "type": told["type"], "proved": told["proved"]}

    _do(database, chore, owner, "cannot_be_exported", made)


def plan_retrain(database: Database, home: Path, chore: Chore, owner: str) -> None:
    """Nothing is trained; the merged rows are written, as `whet retrain --plan` writes them."""
    given = chore.subject
    with database.read() as connection:
        query = projects.select().where(projects.c.id == chore.project)
        project = connection.execute(query).one().name

    def planned(observer: ChoreObserver) -> dict[str, Any]:
        source = ServiceSource(given["database"] or home, project)
        told = retrain(
            given["model"],
            source,
            plan=True,
            served_as=given["model"],
            newest=given["newest"],
            run_root=Path(given["root"]),
            observer=observer,
        )
        return plain(dict(told))

    _do(database, chore, owner, "cannot_be_planned", planned)


def _do(
    database: Database, chore: Chore, owner: str, code: str, work: Callable[[ChoreObserver], dict[str, Any]]
) -> None:
    observer = ChoreObserver(lambda phase: note_phase(database, chore, owner, phase))
    try:
        result = work(observer)
    except WhetError as error:
        result = {"error": Refusal(code, plain_places(str(error)), None).facts()}
    with database.write() as connection:
        finish_chore(connection, chore, owner, result)
