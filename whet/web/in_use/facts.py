"""Numbers of the newest requests, read with a limit: a store of a million is as quick as one of a thousand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Row, func, select

from whet.errors import WhetError
from whet.monitoring.trace import Trace
from whet.monitoring.watches.feedback import badness
from whet.server.database.tables import trace_totals, traces
from whet.server.traces.reading import TraceFilter, find_trace, page_of_traces, read_traces
from whet.server.traces.redacting import pseudonym
from whet.stats.order import median_interval
from whet.stats.paired import wilson
from whet.web.asked import Asked

NEWEST, LOOKED_AT, SPOKEN_OF, A_PAGE = 3000, 2000, 200, 25
"""Requests that the numbers of a page are of, that the look is of, whose feedback counts, and those of a list."""
WINDOWS = 24
"""Pieces of equal length that the time of the newest requests is cut into."""
Share = tuple[int, int, float, float]
"""k of n, with the 95% interval."""
Middle = tuple[float, float, float]
"""A median with its 95% interval."""
Which = Literal["all", "spoken", "silent", "shadow"]


@dataclass(frozen=True, slots=True)
class Series:
    """What was in each window; None where nothing can be said of it."""

    name: str
    unit: str
    values: list[float | None]

    @property
    def most(self) -> float:
        return max((value for value in self.values if value is not None), default=0.0)

    @property
    def heights(self) -> list[float | None]:
        """Of the largest, 0 to 1."""
        most = self.most or 1.0
        return [None if value is None else value / most for value in self.values]


@dataclass(frozen=True, slots=True)
class Traffic:
    """Of the newest requests to a model."""

    model: str
    requests: int
    failed: Share
    cut: Share
    """Answers that the limit of tokens ended."""
    formed: Share | None
    """Answers that kept the form that was asked for, of those where one was; None where none was."""
    seconds: Middle | None
    slowest: float | None
    """Seconds that 95% of the answers are below."""
    read: Middle | None
    """Tokens of a request."""
    written: Middle | None
    """Tokens of an answer."""
    content: Share | None
    """Answers that people found good, of the newest that they spoke of."""
    clients: int
    first: float
    last: float
    series: list[Series]


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
    names = ("at", "error", "finish_reason", "valid", "seconds", "prompt_tokens", "answer_tokens", "client")
    query = select(*(traces.c[name] for name in names)).where(TraceFilter(asked.caller.project, model).clause())
    with asked.service.database.read() as connection:
        rows = list(connection.execute(query.order_by(traces.c.at.desc(), traces.c.id.desc()).limit(NEWEST)))
    if not rows:
        return None
    seconds = _known(rows, "seconds")
    formed = [row.valid for row in rows if row.valid is not None]
    return Traffic(
        model,
        len(rows),
        share(sum(row.error is not None for row in rows), len(rows)),
        share(sum(row.finish_reason == "length" for row in rows), len(rows)),
        share(sum(formed), len(formed)) if formed else None,
        _middle(seconds),
        seconds[int(0.95 * (len(seconds) - 1))] if seconds else None,
        _middle(_known(rows, "prompt_tokens")),
        _middle(_known(rows, "answer_tokens")),
        _content(asked, model),
        len({row.client for row in rows if row.client is not None}),
        rows[-1].at,
        rows[0].at,
        series_of(rows),
    )


def share(k: int, n: int) -> Share:
    return k, n, *wilson(k, n)


def _known(rows: Sequence[Row], name: str) -> list[float]:
    return sorted(value for value in (getattr(row, name) for row in rows) if value is not None)


def _middle(ordered: list[float]) -> Middle | None:
    return median_interval(ordered) if ordered else None


def _content(asked: Asked, model: str) -> Share | None:
    """Of each answer that people spoke of: good where they found it more good than bad."""
    wanted = TraceFilter(asked.caller.project, model, with_feedback=True)
    found, _ = page_of_traces(asked.service.database, wanted, SPOKEN_OF, "desc", None)
    bad = [value for value in (badness(one, ()) for one in found) if value is not None]
    return share(sum(value < 0.5 for value in bad), len(bad)) if bad else None


def series_of(rows: Sequence[Row]) -> list[Series]:
    """The newest requests in WINDOWS pieces of time, the oldest first. `rows` have at, error, valid, seconds and
    answer_tokens, the newest first."""
    first, last = rows[-1].at, rows[0].at
    length = (last - first) / WINDOWS or 1.0
    windows: list[list[Row]] = [[] for _ in range(WINDOWS)]
    for row in rows:
        windows[min(WINDOWS - 1, int((row.at - first) / length))].append(row)

    counts: list[float | None] = [float(len(window)) for window in windows]
    failed = [_percent(sum(row.error is not None for row in window), len(window)) for window in windows]
    tokens: list[float | None] = [float(sum(row.answer_tokens or 0 for row in window)) for window in windows]
    found = [Series("requests", "", counts), Series("seconds of an answer, median", " s", _medians(windows, "seconds"))]
    found += [Series("tokens written", "", tokens), Series("failed", "%", failed)]
    if any(row.valid is not None for row in rows):
        judged = [[row.valid for row in window if row.valid is not None] for window in windows]
        found.append(Series("kept the form", "%", [_percent(sum(window), len(window)) for window in judged]))
    return found


def _percent(k: int, n: int) -> float | None:
    return 100 * k / n if n else None


def _medians(windows: list[list[Row]], name: str) -> list[float | None]:
    known = [_known(window, name) for window in windows]
    return [median_interval(values)[0] if values else None for values in known]


# ---- the requests


def page_of(
    asked: Asked, model: str, which: Which, workload: str, client: str, after: str | None
) -> tuple[list[Trace], bool]:
    """The newest first. `client` as the client itself says it."""
    asked.service.tracing.flush()
    project = asked.caller.project
    wanted = TraceFilter(
        project,
        model,
        workload=workload or None,
        client=pseudonym(client, project) if client else None,
        with_feedback={"spoken": True, "silent": False}.get(which),
        shadow=which == "shadow",
    )
    return page_of_traces(asked.service.database, wanted, A_PAGE, "desc", after)


def trace(asked: Asked, name: str) -> Trace:
    """Raises ApiError 404."""
    asked.service.tracing.flush()
    with asked.service.database.read() as connection:
        return find_trace(connection, asked.caller.project, name)


# ---- whether it still fits


def look(asked: Asked, model: str) -> tuple[dict[str, Any] | None, str]:
    """What `whet monitor` says of the newest requests to it, or why it can say nothing. Takes seconds: it reads the
    rows that the model was trained on."""
    from whet.api import monitor

    served = asked.service.answering.catalogue.find(model, asked.caller.project)
    if served.run is None:
        return None, "This is a base, which was tuned on nothing here: there is nothing to hold its requests against."
    asked.service.tracing.flush()
    found = read_traces(asked.service.database, TraceFilter(asked.caller.project, model), LOOKED_AT)
    try:
        return monitor(served.run, found, run_root=served.run.folder.parent), ""
    except WhetError as error:
        return None, f"{error.what}{f' ({error.fix})' if error.fix else ''}"
