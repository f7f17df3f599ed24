"""Traces read again: a page for a client, or all of them one after the other in little memory."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, literal_column, select, tuple_

from whet.monitoring.trace import Feedback, Trace
from whet.server.database.identifiers import is_id, storable
from whet.server.database.opening import Database
from whet.server.database.paging import Order, Page, page_of
from whet.server.database.tables import feedback, traces
from whet.server.errors import not_found

PIECE = 1000
"""Traces that are read in one transaction, and held at once."""


@dataclass(frozen=True, slots=True)
class TraceFilter:
    """Of one project. Times are seconds since 1970: from `since`, and before `until`."""

    project: str
    model: str | None = None
    """The name that was asked for."""
    since: float | None = None
    until: float | None = None
    workload: str | None = None
    client: str | None = None
    """As it is kept (redacting.pseudonym)."""
    with_feedback: bool | None = None
    """False: those without."""
    shadow: bool = False
    """True: only answers that nobody was told; they are never among the others."""

    def beyond(self, at: float | None, order: Order) -> TraceFilter:
        """Without what comes before `at` in this order: a page need not look at all pages before it."""
        if at is None:
            return self
        if order == "asc":
            return replace(self, since=at if self.since is None else max(at, self.since))
        behind = math.nextafter(at, math.inf)
        return replace(self, until=behind if self.until is None else min(behind, self.until))

    def clause(self) -> ColumnElement[bool]:
        nobody = traces.c.shadow_of.is_not(None) if self.shadow else traces.c.shadow_of.is_(None)
        wanted = [traces.c.project == self.project, nobody]
        for column, name in (("model", self.model), ("workload", self.workload), ("client", self.client)):
            if name is not None:
                wanted.append(traces.c[column] == storable(name))
        if self.since is not None:
            wanted.append(traces.c.at >= self.since)
        if self.until is not None:
            wanted.append(traces.c.at < self.until)
        if self.with_feedback is not None:
            none = literal_column("0")  # written out: Postgres' plan for any number would not use the index
            wanted.append(traces.c.feedback > none if self.with_feedback else traces.c.feedback == none)
        return and_(*wanted)


def page_of_traces(
    database: Database, wanted: TraceFilter, limit: int, order: Order, after: str | None
) -> tuple[list[Trace], bool]:
    """The traces of a page, and whether there are more. Raises ApiError 400 for a cursor that is none."""
    with database.read() as connection:
        page = Page(traces.c.id, (traces.c.at, traces.c.id), order, limit)
        mine = traces.c.project == wanted.project
        if after and is_id(after):
            at = connection.execute(select(traces.c.at).where(mine, traces.c.id == after)).scalar()
            wanted = wanted.beyond(at, order)
        rows, more = page_of(connection, select(traces).where(wanted.clause()), mine, page, after)
        return _with_feedback(connection, rows), more


def find_trace(connection: Connection, project: str, name: str) -> Trace:
    """Raises ApiError 404 for one that is not there or is another project's."""
    row = None
    if is_id(name):
        row = connection.execute(select(traces).where(traces.c.id == name, traces.c.project == project)).first()
    if row is None:
        raise not_found("trace", name)
    return _with_feedback(connection, [row])[0]


def read_traces(database: Database, wanted: TraceFilter, newest: int | None = None) -> Iterator[Trace]:
    """Oldest first; of the `newest` so many, where that is given. PIECE of them are in memory at once."""
    keys, last = tuple_(traces.c.at, traces.c.id), None
    if newest is not None:
        with database.read() as connection:
            last = _before_newest(connection, wanted, newest)

    query = select(traces).order_by(traces.c.at, traces.c.id).limit(PIECE)
    while True:
        piece = query.where(wanted.clause())
        if last is not None:
            piece = query.where(wanted.beyond(last[0], "asc").clause(), keys > tuple_(*last))
        with database.read() as connection:
            rows = connection.execute(piece).all()
            found = _with_feedback(connection, rows)
        yield from found
        if len(rows) < PIECE:
            return
        last = rows[-1].at, rows[-1].id


def read_spoken_of(database: Database, wanted: TraceFilter, after: float) -> Iterator[Trace]:
    """Those that somebody spoke of after this time (seconds since 1970, by the database's clock), oldest first."""
    said = select(feedback.c.trace).where(feedback.c.project == wanted.project, feedback.c.at > after)
    keys, last = tuple_(traces.c.at, traces.c.id), None
    query = select(traces).where(wanted.clause(), traces.c.id.in_(said)).order_by(traces.c.at, traces.c.id)
    while True:
        piece = query if last is None else query.where(keys > tuple_(*last))
        with database.read() as connection:
            rows = connection.execute(piece.limit(PIECE)).all()
            found = _with_feedback(connection, rows)
        yield from found
        if len(rows) < PIECE:
            return
        last = rows[-1].at, rows[-1].id


def missing(connection: Connection, project: str, names: Collection[str]) -> set[str]:
    """Ids that the project has no trace of."""
    left = list(names)
    there: set[str] = set()
    for first in range(0, len(left), PIECE):  # a statement may not name any number
        mine = traces.c.id.in_(left[first : first + PIECE])
        query = select(traces.c.id).where(traces.c.project == project, mine)
        there |= set(connection.execute(query).scalars())
    return set(left) - there


def as_json(trace: Trace) -> dict[str, Any]:
    """For a client: every key is there, also those that say nothing."""
    return asdict(trace)


def _before_newest(connection: Connection, wanted: TraceFilter, newest: int) -> tuple[float, str] | None:
    """The place of the last trace that is not among the newest; None where all are."""
    query = select(traces.c.at, traces.c.id).where(wanted.clause())
    row = connection.execute(query.order_by(traces.c.at.desc(), traces.c.id.desc()).offset(newest).limit(1)).first()
    return None if row is None else (row.at, row.id)


def _with_feedback(connection: Connection, rows: Sequence[Row]) -> list[Trace]:
    names = [row.id for row in rows if row.feedback]
    said: defaultdict[str, list[Feedback]] = defaultdict(list)
    if names:
        query = select(feedback).where(feedback.c.trace.in_(names)).order_by(feedback.c.at, feedback.c.id)
        for row in connection.execute(query):
            said[row.trace].append(Feedback(row.good, row.corrected, row.label, row.comment, by=row.author, at=row.at))
    return [_trace(row, tuple(said[row.id])) for row in rows]


def _trace(row: Row, said: tuple[Feedback, ...]) -> Trace:
    content = row.content or {}
    return Trace(
        id=row.id,
        where=row.id,
        at=row.at,
        model=row.model,
        workload=row.workload,
        client=row.client,
        conversation=row.conversation,
        messages=content.get("messages") or [],
        tools=content.get("tools"),
        answer=content.get("answer"),
        tool_calls=content.get("tool_calls"),
        finish_reason=row.finish_reason,
        schema=content.get("schema"),
        valid=row.valid,
        prompt_tokens=row.prompt_tokens,
        answer_tokens=row.answer_tokens,
        seconds=row.seconds,
        first_token_seconds=row.first_token_seconds,
        error=row.error,
        feedback=said,
        version=row.version,
        fingerprint=row.fingerprint,
        trial=row.trial,
        side=row.side,
        shadow_of=row.shadow_of,
    )
