"""/v1/traces: what is kept of the project's answers; list, export, retrieve, and erasing all of a client's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from whet.monitoring.logs.whet import written
from whet.server.access.caller import Administering, Training
from whet.server.database.paging import Order
from whet.server.service import Service, service_of
from whet.server.traces.erasing import erase_client
from whet.server.traces.reading import TraceFilter, as_json, find_trace, page_of_traces, read_traces
from whet.server.traces.redacting import pseudonym

router = APIRouter(prefix="/v1", tags=["traces"])
Seconds = Annotated[float | None, Query(ge=0, le=1e12, allow_inf_nan=False)]


def wanted_traces(
    caller: Training,
    model: str | None = None,
    since: Seconds = None,
    until: Seconds = None,
    workload: str | None = None,
    client: str | None = None,
    with_feedback: bool | None = None,
    shadow: bool = False,
) -> TraceFilter:
    """Times are seconds since 1970; `shadow`: answers that nobody was told, in the place of the others."""
    known = None if client is None else pseudonym(client, caller.project)
    return TraceFilter(caller.project, model, since, until, workload, known, with_feedback, shadow)


Wanted = Annotated[TraceFilter, Depends(wanted_traces)]


@router.get("/traces")
def list_traces(
    request: Request,
    wanted: Wanted,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Order = "desc",
    after: str | None = None,
) -> dict[str, Any]:
    """The project's traces, newest first."""
    service = _up_to_date(request)
    found, more = page_of_traces(service.database, wanted, limit, order, after)
    data = [{"object": "trace"} | as_json(trace) for trace in found]
    first, last = (found[0].id, found[-1].id) if found else (None, None)
    return {"object": "list", "data": data, "has_more": more, "first_id": first, "last_id": last}


@router.get("/traces/export", response_class=StreamingResponse)
def export_traces(request: Request, wanted: Wanted) -> StreamingResponse:
    """All of them, oldest first, a line of JSON each, as whet monitor reads it."""
    service = _up_to_date(request)
    return StreamingResponse(_lines(service, wanted), media_type="application/x-ndjson")


@router.get("/traces/{trace_id}")
def retrieve_trace(request: Request, caller: Training, trace_id: str) -> dict[str, Any]:
    """A trace, with all that was said of it."""
    service = _up_to_date(request)
    with service.database.read() as connection:
        return {"object": "trace"} | as_json(find_trace(connection, caller.project, trace_id))


@router.delete("/traces")
def erase_traces(
    request: Request, caller: Administering, client: Annotated[str, Query(min_length=1)]
) -> dict[str, Any]:
    """Erases all traces of a client, what was said of them, and what the client said of others'."""
    service = _up_to_date(request)
    gone = erase_client(service.database, caller.project, client, caller.key)
    return {"object": "traces.erased", "client": client, "traces": gone.traces, "feedback": gone.feedback}


def _up_to_date(request: Request) -> Service:
    service = service_of(request)
    service.tracing.flush()
    return service


def _lines(service: Service, wanted: TraceFilter) -> Iterator[str]:
    for trace in read_traces(service.database, wanted):
        yield json.dumps(written(trace), ensure_ascii=False) + "\n"
