"""/v1/fine_tuning/jobs: create, estimate, list, retrieve, cancel, pause, resume, events, checkpoints, report."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, Response, StreamingResponse
from sqlalchemy import Row
from starlette.concurrency import run_in_threadpool

from whet.server.access.caller import Caller, Training
from whet.server.database.paging import listed
from whet.server.errors import ApiError, unsupported
from whet.server.jobs import records
from whet.server.jobs.creation import Asker, create_job
from whet.server.jobs.estimating import ask_for_estimate
from whet.server.jobs.events import events_after, list_events, show_event
from whet.server.jobs.places import report_of
from whet.server.jobs.request import JobBody
from whet.server.jobs.schedule import expected_times
from whet.server.jobs.shape import show_checkpoint, show_job
from whet.server.jobs.states import OVER
from whet.server.service import Service, service_of
from whet.server.telemetry.opening import carried

router = APIRouter(prefix="/v1/fine_tuning", tags=["fine-tuning"])
Limit = Annotated[int, Query(ge=1, le=100)]
METADATA = re.compile(r"metadata\[(.*)\]")
FOLLOW_SECONDS, BEAT_SECONDS = 0.5, 15.0
"""Between two looks for new events; of silence until a comment keeps the connection open."""
ESTIMATE_SECONDS = 180.0


@router.post("/jobs")
def create(request: Request, caller: Training, body: JobBody) -> dict[str, Any]:
    """The files are validated afterwards: a job whose files cannot be used fails with the lines that are wrong."""
    service = service_of(request)
    again = request.headers.get("x-stainless-retry-count", "0") not in ("", "0")
    trace = carried(request.headers) if service.telemetry else None
    with service.database.write() as connection:
        now = service.database.now(connection)
        row = create_job(connection, body, service.settings, Asker(caller.project, caller.key, again, trace), now)
    return _shown(service, row)


@router.post("/jobs/estimate")
async def estimate(request: Request, caller: Training, body: JobBody) -> dict[str, Any]:
    """Seconds, memory, rows dropped, and what the test rows can prove, of the job that this body would create."""
    service = service_of(request)
    asker = Asker(caller.project, caller.key)
    result = await run_in_threadpool(
        ask_for_estimate, service.database, service.settings, body, asker, ESTIMATE_SECONDS
    )
    return {"object": "fine_tuning.job.estimate", "model": body.model, **result}


@router.get("/jobs")
def list_all(request: Request, caller: Training, limit: Limit = 20, after: str | None = None) -> dict[str, Any]:
    """The project's jobs, the newest first."""
    service = service_of(request)
    rows, more = records.list_jobs(service.database, caller.project, limit, after, _metadata(request))
    expected = _expected(service) if any(row.state not in OVER for row in rows) else {}
    return listed(rows, more, lambda row: show_job(row, expected.get(row.id)))


@router.get("/jobs/{job_id}")
def retrieve(request: Request, caller: Training, job_id: str) -> dict[str, Any]:
    """A job, with the verdict on its model once there is one."""
    service = service_of(request)
    return _shown(service, _found(service, caller, job_id))


@router.post("/jobs/{job_id}/cancel")
def cancel(request: Request, caller: Training, job_id: str) -> dict[str, Any]:
    """Ends a job; it cannot go on afterwards."""
    service = service_of(request)
    return _shown(service, records.cancel_job(service.database, caller.project, job_id))


@router.post("/jobs/{job_id}/pause")
def pause(request: Request, caller: Training, job_id: str) -> dict[str, Any]:
    """At once; what was learned up to the last checkpoint is kept."""
    service = service_of(request)
    return _shown(service, records.pause_job(service.database, caller.project, job_id))


@router.post("/jobs/{job_id}/resume")
def resume(request: Request, caller: Training, job_id: str) -> dict[str, Any]:
    """Back into the queue; it goes on from its last checkpoint."""
    service = service_of(request)
    return _shown(service, records.resume_job(service.database, caller.project, job_id))


@router.get("/jobs/{job_id}/events")
def events(
    request: Request, caller: Training, job_id: str, limit: Limit = 20, after: str | None = None, stream: bool = False
) -> Any:
    """The newest first; with `stream`, or where text/event-stream is accepted, as they happen, from the first on."""
    service = service_of(request)
    row = _found(service, caller, job_id)
    if stream or "text/event-stream" in request.headers.get("accept", ""):
        seen = request.headers.get("last-event-id", "")
        number = int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 10 else 0
        told = _follow(service, caller, row.id, number)
        return StreamingResponse(told, media_type="text/event-stream", headers={"Cache-Control": "no-cache"})

    rows, more = list_events(service.database, row.id, limit, after)
    return listed(rows, more, show_event)


@router.get("/jobs/{job_id}/checkpoints")
def checkpoints(
    request: Request, caller: Training, job_id: str, limit: Limit = 10, after: str | None = None
) -> dict[str, Any]:
    """The checkpoints that can be asked as models, the newest first."""
    service = service_of(request)
    row = _found(service, caller, job_id)
    rows, more = records.list_checkpoints(service.database, row.id, limit, after)
    return listed(rows, more, show_checkpoint)


@router.get("/jobs/{job_id}/report", response_class=FileResponse)
def report(request: Request, caller: Training, job_id: str) -> Response:
    """The run's report: one HTML page, with nothing from elsewhere."""
    service = service_of(request)
    row = _found(service, caller, job_id)
    page = report_of(service.settings.home, row.project, row.id)
    if page is None:
        raise ApiError(404, f"Job {row.id} has no report: it is {row.state}.", code="report_not_found")
    return FileResponse(page, media_type="text/html")


@router.api_route("/checkpoints/{checkpoint}/permissions", methods=["GET", "POST"], include_in_schema=False)
@router.api_route("/checkpoints/{checkpoint}/permissions/{name}", methods=["GET", "DELETE"], include_in_schema=False)
def permissions(caller: Training, checkpoint: str, name: str = "") -> None:
    raise unsupported("permissions", "models and checkpoints belong to their project, and no other sees them.")


def _found(service: Service, caller: Caller, job_id: str) -> Row:
    with service.database.read() as connection:
        return records.find_job(connection, caller.project, job_id)


def _shown(service: Service, row: Row) -> dict[str, Any]:
    expected = {} if row.state in OVER else _expected(service)
    return show_job(row, expected.get(row.id))


def _expected(service: Service) -> dict[str, Any]:
    with service.database.read() as connection:
        return expected_times(connection, service.workers.at_once, service.database.now(connection))


def _metadata(request: Request) -> dict[str, str] | None | bool:
    """`metadata[k]=v` pairs; None for the literal `metadata=null`; False where nothing is asked."""
    pairs: dict[str, str] = {}
    for key, value in request.query_params.multi_items():
        if key == "metadata":
            if value != "null":
                what = "metadata: write metadata[key]=value, or metadata=null for jobs without any."
                raise ApiError(400, what, code="invalid_value", param="metadata")
            return None
        if match := METADATA.fullmatch(key):
            pairs[match[1]] = value
    return pairs or False


async def _follow(service: Service, caller: Caller, job: str, seen: int) -> AsyncIterator[str]:
    """Until the job is over and all is told."""
    silent = 0.0
    while True:
        row = await run_in_threadpool(_found, service, caller, job)  # before its events: what comes later is no end
        new = await run_in_threadpool(events_after, service.database, job, seen)
        for event in new:
            seen = event.number
            yield f"id: {event.number}\ndata: {json.dumps(show_event(event))}\n\n"

        if not new and row.state in OVER:
            yield "data: [DONE]\n\n"
            return
        silent = 0.0 if new else silent + FOLLOW_SECONDS
        if silent >= BEAT_SECONDS:
            silent = 0.0
            yield ": still at work\n\n"
        if not new:
            await asyncio.sleep(FOLLOW_SECONDS)
