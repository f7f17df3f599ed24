"""The application: what every request passes through, and the routers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import takewhile

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

import whet
from whet.errors import WhetError
from whet.server.access.caller import SCOPES, Caller
from whet.server.access.gate import Gate
from whet.server.access.keys import KeyRing, project_of
from whet.server.access.rates import OwnBuckets, Rates
from whet.server.access.shared_buckets import SharedBuckets
from whet.server.database.opening import Database, open_database
from whet.server.errors import ApiError, of_whet
from whet.server.files.content import Contents
from whet.server.inference.answering import Answering
from whet.server.jobs.cluster.ray_workers import RayWorkers
from whet.server.jobs.supervisor import Workers
from whet.server.knowledge.library import Library
from whet.server.metrics import Metrics
from whet.server.routes import (
    chat,
    classify,
    completions,
    documents,
    embeddings,
    feedback,
    files,
    fine_tuning,
    graders,
    health,
    messages,
    models,
    moderations,
    responses,
    traces,
    traffic,
    vector_stores,
)
from whet.server.service import Service
from whet.server.settings import Settings
from whet.server.telemetry.jobs import JobSpans
from whet.server.telemetry.opening import Telemetry
from whet.server.telemetry.requests import Traced
from whet.server.telemetry.watch import note_error
from whet.server.traces.tracing import Tracing
from whet.server.traffic.trying import Traffic

ROUTES = (
    documents,
    health,
    models,
    chat,
    completions,
    responses,
    embeddings,
    classify,
    moderations,
    messages,
    files,
    fine_tuning,
    graders,
    vector_stores,
    feedback,
    traces,
    traffic,
)
log = logging.getLogger("whet.server")


def create_app(settings: Settings, telemetry: Telemetry | None = None, api: bool = True) -> FastAPI:
    """The service over its database and home folder, which are opened here, so that an error ends the start. It closes
    `telemetry`. Without `api`, all of it but the paths that programs ask."""
    settings.home.mkdir(parents=True, exist_ok=True)
    database = open_database(settings.database_url)
    contents = Contents(settings.files, settings.most_body)
    metrics = Metrics()
    rates = Rates(SharedBuckets(database) if database.kind == "postgresql" else OwnBuckets())
    answering, tracing = Answering(settings, database, metrics, rates), Tracing(settings, database, metrics)
    service = Service(
        settings=settings,
        database=database,
        keys=KeyRing(database),
        rates=rates,
        metrics=metrics,
        contents=contents,
        workers=(RayWorkers if settings.ray else Workers)(settings, database, contents),
        answering=answering,
        library=Library(settings, database),
        tracing=tracing,
        traffic=Traffic(answering, tracing, metrics),
        everybody=_everybody(database),
        telemetry=telemetry,
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        background = [asyncio.create_task(_get_ready(service))]
        spans = JobSpans(telemetry, database) if telemetry else None
        if spans:
            background.append(asyncio.create_task(spans.follow()))
        service.tracing.start()
        yield
        service.stopping = True
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await service.traffic.close()
        await service.answering.leave()
        await run_in_threadpool(service.answering.close)
        await run_in_threadpool(service.rates.close)
        await run_in_threadpool(service.tracing.close)
        await run_in_threadpool(service.library.close)
        await run_in_threadpool(service.workers.stop)
        if telemetry and spans:
            await run_in_threadpool(spans.look)
            await run_in_threadpool(telemetry.close)
        database.close()

    app = FastAPI(title="Whet", version=whet.__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.service = service
    _answer_errors(app)
    for routes in ROUTES if api else (health,):
        app.include_router(routes.router)
    if telemetry:
        app.add_middleware(Traced, telemetry=telemetry)
    shared = {"keys": service.keys, "rates": service.rates, "metrics": service.metrics}
    app.add_middleware(Gate, settings=settings, everybody=service.everybody, **shared)
    return app


async def _get_ready(service: Service) -> None:
    """Bases first, then workers: their libraries would take the processor from the first answer."""
    try:
        await service.answering.warm()
    except Exception:  # whoever asks for such a base is told; jobs and other models go on
        log.exception("a base could not be loaded ahead")
    await run_in_threadpool(service.workers.start)


def _everybody(database: Database) -> Caller:
    with database.write() as connection:
        own = project_of(connection, "default", database.now(connection))
    return Caller(own, "default", None, frozenset(SCOPES))


def _answer_errors(app: FastAPI) -> None:
    @app.exception_handler(ApiError)
    async def refused(_: Request, error: ApiError) -> JSONResponse:
        return _shown(error)

    @app.exception_handler(WhetError)
    async def failed(_: Request, error: WhetError) -> JSONResponse:
        return _shown(of_whet(error))

    @app.exception_handler(RequestValidationError)
    async def misshapen(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            return _shown(ApiError(400, f"The body is no JSON: {first['ctx']['error']}.", code="invalid_json"))
        where = ".".join(takewhile(_is_key, map(str, first["loc"][1:]))) or None
        return _shown(ApiError(400, f"{where or 'The body'}: {first['msg']}.", code="invalid_value", param=where))

    @app.exception_handler(HTTPException)
    async def unrouted(request: Request, error: HTTPException) -> JSONResponse:
        what = f"{request.method} {request.url.path}: {error.detail}."
        code = {404: "unknown_url", 405: "method_not_supported"}.get(error.status_code)
        return _shown(ApiError(error.status_code, what, code=code))

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> JSONResponse:
        log.exception("%s %s failed", request.method, request.url.path, exc_info=error)
        return _shown(ApiError(500, "The service failed at this request; its log says why.", code="internal_error"))


def _is_key(part: str) -> bool:
    """Not the name of one of several types that a value may have."""
    return part not in ("str", "int", "float") and "[" not in part


def _shown(error: ApiError) -> JSONResponse:
    note_error(error.code or str(error.status))
    return JSONResponse(error.body(), error.status, error.headers)
