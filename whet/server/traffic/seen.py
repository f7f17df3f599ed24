"""What a service knows of a version that is tried: requests, clients and feedback by who answered; shadows by pairs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from sqlalchemy import Connection, and_, case, func, null, select

from whet.monitoring.trace import Feedback
from whet.monitoring.trials import SIDES, Said, SeenTrial, Shadowed, Side, SideRequests
from whet.server.database.opening import Database
from whet.server.database.tables import feedback, traces

NEWEST_SHADOWS = 1000
"""Pairs that are compared."""


def read_seen(database: Database, project: str, trial: str) -> SeenTrial:
    """Of one project, in one transaction."""
    with database.read() as connection:
        seen = SeenTrial(said=list(_said(connection, project, trial)), shadows=_shadows(connection, project, trial))
        for side, asked in _sides(connection, project, trial):
            if side == "instead":
                seen.instead = asked.requests
            elif side in SIDES:
                seen.sides[cast(Side, side)] = asked
        return seen


def _sides(connection: Connection, project: str, trial: str) -> Iterator[tuple[str, SideRequests]]:
    """Several answers to one request are as many traces."""
    query = select(
        traces.c.side,
        func.count().label("requests"),
        func.count(traces.c.client.distinct()).label("clients"),
        (func.count() - func.count(traces.c.client)).label("unnamed"),
        func.count(traces.c.error).label("failed"),
    ).where(traces.c.project == project, traces.c.trial == trial)
    for row in connection.execute(query.group_by(traces.c.side)):
        yield row.side, SideRequests(row.requests, row.clients, row.unnamed, row.failed)


def _said(connection: Connection, project: str, trial: str) -> Iterator[Said]:
    """In the order in which it was said. The text of an answer is read where something is compared with it."""
    answer = case((feedback.c.good.is_(None), traces.c.content), else_=null())
    query = (
        select(traces.c.side, traces.c.client, answer.label("content"), feedback)
        .join(traces, feedback.c.trace == traces.c.id)
        .where(traces.c.project == project, traces.c.trial == trial, traces.c.side.in_(SIDES))
        .order_by(feedback.c.at, feedback.c.id)
    )
    for row in connection.execute(query):
        opinion = Feedback(row.good, row.corrected, row.label, row.comment, by=row.author, at=row.at)
        yield Said(row.side, row.client, opinion, _answer_in(row.content))


def _shadows(connection: Connection, project: str, trial: str) -> list[Shadowed]:
    """The newest, each beside what was told."""
    told = traces.alias("told")
    query = (
        select(
            traces.c.content,
            traces.c.seconds,
            traces.c.error,
            told.c.content.label("told_content"),
            told.c.seconds.label("told_seconds"),
        )
        .join(told, and_(told.c.id == traces.c.shadow_of, told.c.project == project))
        .where(traces.c.project == project, traces.c.trial == trial, traces.c.shadow_of.is_not(None))
        .order_by(traces.c.at.desc(), traces.c.id.desc())
        .limit(NEWEST_SHADOWS)
    )
    return [
        Shadowed(
            _answer_in(row.told_content),
            _answer_in(row.content),
            row.told_seconds,
            row.seconds,
            row.error is not None,
        )
        for row in connection.execute(query)
    ]


def _answer_in(content: dict[str, Any] | None) -> str | None:
    return (content or {}).get("answer")
