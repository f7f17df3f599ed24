"""A span for each fine-tuning job, once it is over: from its creation to its end, in the trace of its creator."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.exc import DBAPIError
from starlette.concurrency import run_in_threadpool

from whet.server.database.opening import Database
from whet.server.database.tables import jobs
from whet.server.jobs.states import FAILED
from whet.server.telemetry.attributes import PROVIDER
from whet.server.telemetry.opening import Telemetry

LOOK_SECONDS = 1.0
LATE_SECONDS = 30.0
"""An end may be seen so much later than its time says: it is written before its transaction ends."""
OPERATION = "fine_tune"
TRACE = "trace"
"""The key of a job's request under which its caller's trace is kept."""
NANOSECONDS = 1_000_000_000
log = logging.getLogger("whet.server")


@dataclass
class JobSpans:
    """Of jobs that end while this service runs. Another one over the same database tells of the same spans."""

    telemetry: Telemetry
    database: Database
    _since: float | None = None
    _told: dict[str, float] = field(default_factory=dict)
    """When each job ended that was told of lately."""

    async def follow(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                await run_in_threadpool(self.look)
            except DBAPIError as error:
                log.warning("the database cannot be reached: %s", error.orig)
            await asyncio.sleep(LOOK_SECONDS)

    def look(self) -> None:
        """Tells of jobs that have ended since the last look; the first one only notes the time."""
        for row in self._ended():
            if row.id not in self._told:
                self._tell(row)
                self._told[row.id] = row.finished_at

    def _ended(self) -> Sequence[Row]:
        with self.database.read() as connection:
            now = self.database.now(connection)
            if self._since is None:
                self._since = now
            after = max(self._since, now - LATE_SECONDS)
            self._told = {name: ended for name, ended in self._told.items() if ended > after}
            return connection.execute(select(jobs).where(jobs.c.finished_at > after)).all()

    def _tell(self, row: Row) -> None:
        from opentelemetry.trace import SpanKind, StatusCode

        caller = self.telemetry.caller_of(row.request.get(TRACE) or {})
        with self.telemetry.identified(row.id):
            span = self.telemetry.tracer.start_span(
                f"{OPERATION} {row.model}", caller, SpanKind.INTERNAL, _facts(row), start_time=_time(row.created_at)
            )
        if row.started_at is not None:
            span.add_event("started", timestamp=_time(row.started_at))
        if row.state == FAILED:
            span.set_status(StatusCode.ERROR)
        span.end(_time(row.finished_at))


def _facts(row: Row) -> dict[str, Any]:
    found = {
        "gen_ai.operation.name": OPERATION,
        "gen_ai.provider.name": PROVIDER,
        "gen_ai.request.model": row.model,
        "gen_ai.response.model": row.fine_tuned_model,
        "gen_ai.request.seed": row.seed,
        "error.type": row.error["code"] if row.state == FAILED else None,
        "whet.job.id": row.id,
        "whet.job.status": row.state,
        "whet.job.trained_tokens": row.trained_tokens,
        "whet.job.verdict": (row.result or {}).get("verdict"),
    }
    return {name: value for name, value in found.items() if value is not None}


def _time(seconds: float) -> int:
    return int(seconds * NANOSECONDS)
