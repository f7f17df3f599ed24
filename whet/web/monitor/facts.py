"""Numbers of the newest requests, read with a limit: a store of a million is as quick as one of a thousand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from whet.errors import WhetError
from whet.monitoring.trace import Trace
from whet.server.database.tables import trace_totals, traces
from whet.server.traces.opening import ServiceSource
from whet.server.traces.reading import TraceFilter, find_trace, page_of_traces
from whet.stats.paired import wilson
from whet.web.asked import Asked

NEWEST, LOOKED_AT, A_PAGE = 5000, 2000, 25
"""Requests that the numbers of a page are of; that the look is of; and those of a list."""
Share = tuple[int, int, float, float]
"""k of n, with the 95% interval."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Of the newest requests to a model."""

    model: str
    requests: int
    failed: Share
    cut: Share
    """Answers that the limit of tokens ended."""
    median: float | None
    slowest: float | None
    """Seconds of an answer: the median, and what 95% are below."""
    tokens: int
    first: float
    last: float


def total(asked: Asked) -> int:
    """Traces of the project."""
    query = select(trace_totals.c.traces).where(trace_totals.c.project == asked.caller.project)
    with asked.service.database.read() as connection:
        return int(connection.execute(query).scalar() or 0)


def models(asked: Asked) -> list[tuple[str, int]]:
    """Those that the newest requests were to, with how many were."""
    newest = select(traces.c.model).where(TraceFilter(asked.caller.project).clause())
    newest = newest.order_by(traces.c.at.desc(), traces.c.id.desc()).limit(NEWEST).subquery()
    query = select(newest.c.model, func.count()).group_by(newest.c.model).order_by(func.count().desc())
    with asked.service.database.read() as connection:
        return [(row[0], int(row[1])) for row in connection.execute(query)]


def traffic(asked: Asked, model: str) -> Traffic | None:
    """None where nothing was asked of it."""
    columns = (traces.c.at, traces.c.error, traces.c.finish_reason, traces.c.seconds, traces.c.answer_tokens)
    query = select(*columns).where(TraceFilter(asked.caller.project, model).clause())
    with asked.service.database.read() as connection:
        rows = list(connection.execute(query.order_by(traces.c.at.desc(), traces.c.id.desc()).limit(NEWEST)))
    if not rows:
        return None
    seconds = sorted(row.seconds for row in rows if row.seconds is not None)
    return Traffic(
        model,
        len(rows),
        _share(sum(row.error is not None for row in rows), len(rows)),
        _share(sum(row.finish_reason == "length" for row in rows), len(rows)),
        seconds[len(seconds) // 2] if seconds else None,
        seconds[int(0.95 * (len(seconds) - 1))] if seconds else None,
        sum(row.answer_tokens or 0 for row in rows),
        rows[-1].at,
        rows[0].at,
    )


def _share(k: int, n: int) -> Share:
    return k, n, *wilson(k, n)


def page_of(asked: Asked, model: str, with_feedback: bool, after: str | None) -> tuple[list[Trace], bool]:
    """The newest first."""
    asked.service.tracing.flush()
    wanted = TraceFilter(asked.caller.project, model, with_feedback=True if with_feedback else None)
    return page_of_traces(asked.service.database, wanted, A_PAGE, "desc", after)


def trace(asked: Asked, name: str) -> Trace:
    """Raises ApiError 404."""
    asked.service.tracing.flush()
    with asked.service.database.read() as connection:
        return find_trace(connection, asked.caller.project, name)


def look(asked: Asked, model: str) -> tuple[dict[str, Any] | None, str]:
    """What `whet monitor` says of the newest requests, or why it can say nothing. Takes seconds: it reads the rows that
    the model was trained on."""
    from whet.api import monitor

    settings = asked.service.settings
    served = asked.service.answering.catalogue.find(model, asked.caller.project)
    if served.run is None:
        return None, "This is a base, which was tuned on nothing here: there is nothing to hold its requests against."
    asked.service.tracing.flush()
    source = ServiceSource(settings.database or settings.home, asked.caller.project_name)
    try:
        return monitor(served.run, source, served_as=model, newest=LOOKED_AT, run_root=served.run.folder.parent), ""
    except WhetError as error:
        return None, f"{error.what}{f' ({error.fix})' if error.fix else ''}"
