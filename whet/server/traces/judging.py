"""A person goes through answers that a service gave, and says what is right: in the terminal, where the traces are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from whet.errors import InputError, nearest
from whet.monitoring.trace import Trace
from whet.server.database.opening import Database
from whet.server.errors import ApiError
from whet.server.traces.feedback import NewFeedback, add_feedback
from whet.server.traces.opening import open_service
from whet.server.traces.reading import TraceFilter, read_traces
from whet.server.traces.redacting import pseudonym

CLASSIFICATION = "classify-"
"""What ids of traces of /v1/classify begin with: what is right there is a class, not an answer in words."""


class TraceJudging:
    """The answers that `who` has said nothing of yet: those that nobody has judged before the others, newest first."""

    def __init__(self, database: Database, project: str, who: str, waiting: list[Trace]) -> None:
        self._database, self._project = database, project
        self.who, self.waiting = who, waiting

    def __len__(self) -> int:
        """How many there were at the beginning."""
        return len(self.waiting)

    def __iter__(self) -> Iterator[Trace]:
        return iter(self.waiting)

    def keep(self, trace: Trace, said: NewFeedback) -> None:
        """It is in the database at once, and counts once. Raises InputError for a trace that was erased meanwhile, that
        has all the feedback it may have, or of which this person has said something else from another place."""
        key = key_of(trace.id, pseudonym(self.who, self._project))
        try:
            add_feedback(self._database, self._project, trace.id, replace(said, author=self.who), key)
        except ApiError as error:
            raise InputError(f"this was not kept: {error.message}", where=trace.id, fix="go on to the next") from error

    def close(self) -> None:
        self._database.close()


def judge_traces(home: Path | str, model: str, who: str, project: str = "default", newest: int = 200) -> TraceJudging:
    """Of the `newest` answers of the model that was asked for by this name, in a service's folder or database. Raises
    InputError where there is none, or where the service did not keep what they said; RunError as open_service."""
    database, found = open_service(home, project)
    try:
        traces = list(read_traces(database, TraceFilter(found, model), newest))
        _refuse_none(database, found, model, traces, newest)
    except BaseException:
        database.close()
        raise
    name = pseudonym(who, found)
    waiting = [trace for trace in traces if can_be_judged(trace) and all(said.by != name for said in trace.feedback)]
    waiting.sort(key=lambda trace: (bool(trace.feedback), -(trace.at or 0.0)))
    return TraceJudging(database, found, who, waiting)


def key_of(trace: str, name: str) -> str:
    """The key of what somebody, by pseudonym, says of a trace: it counts once, wherever they say it."""
    return f"whet judge {trace} {name}"


def corrected(trace: str, words: str) -> NewFeedback:
    """What the answer should have been."""
    if trace.startswith(CLASSIFICATION):
        return NewFeedback(label=words.strip())
    return NewFeedback(corrected=words)


def can_be_judged(trace: Trace) -> bool:
    return bool(trace.messages) and (trace.answer is not None or bool(trace.tool_calls))


def _refuse_none(database: Database, project: str, model: str, traces: list[Trace], newest: int) -> None:
    if not traces:
        names = {trace.model for trace in read_traces(database, TraceFilter(project), newest) if trace.model}
        fix = f"its last requests were to {', '.join(sorted(names))}" if names else "ask the service something first"
        raise InputError(f"no request was to this model{nearest(model, names)}", where="MODEL", value=model, fix=fix)
    if not any(can_be_judged(trace) for trace in traces):
        what = "the service did not keep what its answers say"
        raise InputError(what, where="--from", value=model, fix="start it with --traces content; it goes from then on")
