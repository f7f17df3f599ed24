"""What people say of an answer: kept beside what others said of it, never in its place."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from whet.server.database.identifiers import is_id, new_id
from whet.server.database.opening import Database
from whet.server.database.tables import feedback, traces
from whet.server.errors import ApiError, not_found
from whet.server.traces.keeping import add_to_totals
from whet.server.traces.record import letters
from whet.server.traces.redacting import pseudonym, redacted

MOST_OF_TRACE = 100
"""Feedback that one trace may have."""
ROW_BYTES = 200


@dataclass(frozen=True, slots=True)
class NewFeedback:
    good: bool | None = None
    corrected: str | None = None
    label: str | None = None
    comment: str | None = None
    author: str | None = None

    def as_kept(self, project: str) -> NewFeedback:
        """Redacted, as traces are."""
        given = {"corrected": self.corrected, "label": self.label, "comment": self.comment}
        author = pseudonym(self.author, project) if self.author is not None else None
        texts = {name: redacted(text) for name, text in given.items() if text is not None}
        return replace(self, **texts, author=author)


def add_feedback(database: Database, project: str, trace: str, given: NewFeedback, key: str | None) -> dict[str, Any]:
    """The feedback as it is kept. With a `key` that the project has used, what was kept then. Raises ApiError 404 for
    a trace that is not there, 400 for an answer that nobody was told, a key that was used for something else, or a
    trace that has enough."""
    with database.write() as connection:
        add_to_totals(connection, project, 0, 0)  # whoever comes at once with the same key waits here
        return keep_feedback(connection, project, trace, given, key, database.now(connection))


def keep_feedback(
    connection: Connection, project: str, trace: str, given: NewFeedback, key: str | None, now: float
) -> dict[str, Any]:
    """As add_feedback, in a transaction that holds the project's totals already."""
    new = given.as_kept(project)
    size = ROW_BYTES + letters(asdict(new))
    row = _traced(connection, project, trace)
    known = _known(connection, project, key)
    if known is not None:
        return _repeated(known, trace, new)
    if row.feedback >= MOST_OF_TRACE:
        what = f"This trace has {MOST_OF_TRACE} pieces of feedback, and takes no more."
        raise ApiError(400, what, code="too_much_feedback", param="id")

    made = {"id": new_id("fb_"), "project": project, "trace": trace, "key": key, "at": now}
    connection.execute(feedback.insert().values(**made, **asdict(new), bytes=size))
    _count(connection, project, trace, 1, size)
    return show_feedback(connection.execute(select(feedback).where(feedback.c.id == made["id"])).one())


def take_back(connection: Connection, project: str, name: str) -> None:
    """Nothing is left of this piece of feedback. The project's totals are held already."""
    mine = (feedback.c.project == project) & (feedback.c.id == name)
    row = connection.execute(select(feedback.c.trace, feedback.c.bytes).where(mine)).first()
    if row is not None:
        connection.execute(delete(feedback).where(mine))
        _count(connection, project, row.trace, -1, -row.bytes)


def _count(connection: Connection, project: str, trace: str, pieces: int, size: int) -> None:
    more = {"feedback": traces.c.feedback + pieces, "bytes": traces.c.bytes + size}
    connection.execute(update(traces).where(traces.c.id == trace).values(more))
    add_to_totals(connection, project, 0, size)


def show_feedback(row: Row) -> dict[str, Any]:
    return {
        "id": row.id,
        "object": "feedback",
        "trace": row.trace,
        "created_at": int(row.at),
        "good": row.good,
        "corrected": row.corrected,
        "label": row.label,
        "comment": row.comment,
        "by": row.author,
    }


def _traced(connection: Connection, project: str, name: str) -> Row:
    row = None
    if is_id(name):
        query = select(traces.c.feedback, traces.c.shadow_of).where(traces.c.id == name, traces.c.project == project)
        row = connection.execute(query).first()
    if row is None:
        raise not_found("trace", name, "id")
    if row.shadow_of is not None:
        what = f"Nobody was told this answer: speak of the one that was given, {row.shadow_of}."
        raise ApiError(400, what, code="shadow_answer", param="id")
    return row


def _known(connection: Connection, project: str, key: str | None) -> Row | None:
    if key is None:
        return None
    query = select(feedback).where(feedback.c.project == project, feedback.c.key == key)
    return connection.execute(query).first()


def _repeated(known: Row, trace: str, new: NewFeedback) -> dict[str, Any]:
    if known.trace != trace or any(getattr(known, name) != value for name, value in asdict(new).items()):
        what = "This key was used for other feedback: send another with each."
        raise ApiError(400, what, code="idempotency_key_reused", param="key")
    return show_feedback(known)
