"""Is the service alive, may it be sent requests, and what are its numbers."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError

from whet.monitoring.alerts.figures import read_figures
from whet.server.access.caller import Administering
from whet.server.database.tables import jobs
from whet.server.errors import ApiError
from whet.server.service import service_of
from whet.server.traces.opening import WATCHES

router = APIRouter()


@router.get("/health")
def health() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/ready")
def ready(request: Request) -> dict[str, str]:
    """The database answers, and the service is not stopping. `jobs` says why none is begun, where that is so: answers
    need none, so the service is ready all the same."""
    service = service_of(request)
    try:
        with service.database.read() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        raise ApiError(503, "The database does not answer.", code="database_unreachable") from error
    if service.stopping:
        raise ApiError(503, "The service is stopping.", code="stopping")
    trouble = service.workers.trouble
    return {"status": "ready"} if trouble is None else {"status": "ready", "jobs": trouble}


@router.get("/metrics")
def metrics(request: Request, _: Administering) -> Response:
    """Prometheus' text format."""
    service = service_of(request)
    with service.database.read() as connection:
        counted = connection.execute(select(jobs.c.state, func.count()).group_by(jobs.c.state)).all()
    service.metrics.jobs.clear()  # a state that no job has any more
    for state, number in counted:
        service.metrics.jobs.labels(state).set(number)
    service.metrics.show_watches(read_figures(service.settings.home / WATCHES))
    service.answering.measure()
    return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)
