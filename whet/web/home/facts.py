"""What stands on the first page, read from the store and the service."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Row, select

from whet.server.database.tables import jobs
from whet.server.jobs.states import OVER
from whet.store.index import RunSummary
from whet.store.model_registry import list_models
from whet.web.asked import Asked
from whet.web.run_pages.facts import state_of

LATEST = 6
"""Runs that are over and shown here; all are on their own page."""


@dataclass(frozen=True, slots=True)
class Work:
    """A job that is not over."""

    name: str
    title: str
    state: str


@dataclass(frozen=True, slots=True)
class Live:
    """A named model with the version that answers."""

    name: str
    version: int
    run: str


def work(asked: Asked) -> list[Work]:
    """Of the project, in the order in which it was asked for."""
    query = select(jobs).where(jobs.c.project == asked.caller.project, jobs.c.state.not_in(OVER))
    with asked.service.database.read() as connection:
        rows = connection.execute(query.order_by(jobs.c.created_at, jobs.c.id)).all()
    return [_work(row) for row in rows]


def _work(row: Row) -> Work:
    return Work(row.id, row.suffix or f"tune of {row.model}", state_of(row))


def live(asked: Asked) -> list[Live]:
    found = []
    for root in asked.run_roots:
        for model in list_models(root):
            if model.current is not None:
                found.append(Live(model.name, model.current, model.version(model.current).run))
    return found


def latest(asked: Asked) -> list[RunSummary]:
    return asked.runs()[:LATEST]
