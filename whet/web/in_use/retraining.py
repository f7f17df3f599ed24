"""What the next version of a model would learn from, and what it would cost: planned by a worker, shown when it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from whet.server.database.tables import chores
from whet.server.errors import ApiError
from whet.server.jobs.chores import RETRAIN_PLAN, add_chore
from whet.store.model_registry import list_models
from whet.web.asked import Asked

NEWEST, LATEST = 10_000, 20
"""Requests whose feedback is looked through; plans of the project that are looked at."""


@dataclass(frozen=True, slots=True)
class RetrainPlan:
    state: str
    """waiting, running or done."""
    phase: str
    wrong: str
    told: dict[str, Any]
    """What `whet retrain --plan` says; empty until it is done."""

    @property
    def is_over(self) -> bool:
        return self.state == "done"


def can_be(asked: Asked, model: str) -> bool:
    """A named model with a live version, beside whose runs the next one would lie."""
    root = asked.service.settings.runs
    return root is not None and root.is_dir() and any(one.name == model and one.current for one in list_models(root))


def plan_of(asked: Asked, model: str) -> RetrainPlan | None:
    """The newest of the last hour."""
    query = select(chores).where(chores.c.project == asked.caller.project, chores.c.kind == RETRAIN_PLAN)
    with asked.service.database.read() as connection:
        rows = connection.execute(query.order_by(chores.c.created_at.desc(), chores.c.id).limit(LATEST)).all()
    for row in rows:
        if row.subject["model"] == model:
            result = row.result or {}
            wrong = (result.get("error") or {}).get("message", "")
            told = result if row.state == "done" and not wrong else {}
            return RetrainPlan(row.state, str(result.get("phase") or ""), wrong, told)
    return None


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
