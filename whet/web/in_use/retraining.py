"""What the next version of a model would learn from, and what it would cost: planned by a worker, shown when it is."""

from __future__ import annotations

from whet.server.errors import ApiError
from whet.server.jobs.chores import RETRAIN_PLAN, ChoreState, add_chore, latest_chores
from whet.web.asked import Asked
from whet.web.naming.facts import named

NEWEST, LATEST = 10_000, 20
"""Requests whose feedback is looked through; plans of the project that are looked at."""


def can_be(asked: Asked, model: str) -> bool:
    """A named model with a live version, beside whose runs the next one would lie."""
    return any(one.name == model and one.current for one in named(asked))


def plan_of(asked: Asked, model: str) -> ChoreState | None:
    """The newest of the last hour; its result is what `whet retrain --plan` says."""
    found = latest_chores(asked.service.database, asked.caller.project, RETRAIN_PLAN, LATEST)
    return next((one for one in found if one.subject["model"] == model), None)


def ask(asked: Asked, model: str) -> None:
    """Raises ApiError for a model that cannot be retrained here, or one that is being planned."""
    if not can_be(asked, model):
        what = f"{model!r} is no named model with a live version, and only such a one has a next version."
        raise ApiError(400, what, code="model_not_named")
    plan = plan_of(asked, model)
    if plan is not None and not plan.is_over:
        raise ApiError(409, "It is being planned already.", code="at_work")

    settings, database = asked.service.settings, asked.service.database
    assert settings.runs is not None
    subject = {"model": model, "root": str(settings.runs.absolute()), "database": settings.database, "newest": NEWEST}
    with database.write() as connection:
        add_chore(connection, asked.caller.project, RETRAIN_PLAN, subject, database.now(connection))
