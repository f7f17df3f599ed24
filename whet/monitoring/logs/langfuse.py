"""Langfuse's exports: observations with their trace's fields or without, traces, scores; as its storage export writes
them (start_time), and as its API and its pages do (startTime). A file may hold all of these: `cat` joins them.

A generation is a request; other observations are not. A trace stands for a request only where the file holds no
observation at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from whet.monitoring.logs.contents.chat_messages import finish_word, tools_of
from whet.monitoring.logs.contents.openai_calls import Answered, answered_of, asked_of
from whet.monitoring.logs.contents.opinions import opinion
from whet.monitoring.logs.contents.values import (
    Record,
    between,
    count,
    dollars,
    error_kind,
    first_name,
    moment,
    name,
    record,
    records,
    unpacked,
    written,
)
from whet.monitoring.logs.form import read_counted
from whet.monitoring.logs.log_file import LogFile
from whet.monitoring.trace import Feedback, Trace

KINDS = "SPAN GENERATION EVENT AGENT TOOL CHAIN RETRIEVER EVALUATOR EMBEDDING GUARDRAIL".split()
BY_PEOPLE = ("API", "ANNOTATION", "")
"""Sources of scores. EVAL is a model that judges."""


@dataclass(slots=True)
class Context:
    """What rows of the file tell of others: small, for all of it is held."""

    feedback: dict[str, list[Feedback]] = field(default_factory=lambda: defaultdict(list))
    """By the id of an observation or a trace."""
    traces: dict[str, Record] = field(default_factory=dict)
    """User, session and name of a trace."""
    observed: bool = False
    """Whether the file has observations."""


def knows(row: Record) -> bool:
    return _is_observation(row) or _is_score(row) or _is_trace(row)


def _is_observation(row: Record) -> bool:
    return str(row.get("type")).upper() in KINDS and "startTime" in _camel(row) and "traceId" in _camel(row)


def _is_score(row: Record) -> bool:
    return {"dataType", "name", "source"} <= _camel(row).keys() and bool(_camel(row).keys() & {"traceId", "sessionId"})


def _is_trace(row: Record) -> bool:
    keys = _camel(row).keys()
    return {"id", "timestamp"} <= keys and len(keys & set("sessionId userId release bookmarked public".split())) >= 2


class LangfuseForm:
    name = "langfuse"
    title = "Langfuse's exports of observations, traces and scores"

    def knows(self, record: Record) -> bool:
        return knows(record)

    def traces(self, log: LogFile) -> Iterator[Trace]:
        context = _context(log)
        for where, row in log.records():
            yield from read_counted(log, where, partial(_of_row, row, where, context))


def _context(log: LogFile) -> Context:
    """A first reading of the file, for what may stand after the requests that it tells of."""
    context = Context()
    for _, row in log.records():
        if _is_observation(row):
            context.observed = True
        elif _is_score(row):
            _add_score(_camel(row), context)
        else:
            trace = _camel(row)
            context.observed = context.observed or bool(_nested(trace))
            shown = {key: trace.get(key) for key in ("userId", "sessionId", "name")}
            context.traces[str(trace.get("id"))] = {key: value for key, value in shown.items() if name(value)}
    return context


def _add_score(score: Record, context: Context) -> None:
    feedback = _feedback(score)
    about = first_name(score.get("observationId"), score.get("traceId"))
    if feedback is not None and about is not None:
        context.feedback[about].append(feedback)


def _of_row(row: Record, where: str, context: Context) -> Iterator[Trace]:
    if _is_observation(row):
        yield from _generation(_camel(row), where, {}, context)
    elif not _is_score(row):
        trace = _camel(row)
        scores = [_camel(score) for score in records(trace.get("scores"))]
        nested = _nested(trace)
        for position, observation in enumerate(nested, start=1):
            place = f"{where}, observation {position}"
            for request in _generation(observation, place, trace, context):
                yield _with(request, _of_scores(scores, observation, trace))
        if not nested and not context.observed:
            yield _with(_request(trace, where, trace, context), _of_scores(scores, {}, trace))


def _nested(trace: Record) -> list[Record]:
    return [_camel(item) for item in records(trace.get("observations")) if _is_observation(item)]


def _generation(row: Record, where: str, trace: Record, context: Context) -> Iterator[Trace]:
    if str(row.get("type")).upper() == "GENERATION":
        yield _request(row, where, trace or context.traces.get(str(row.get("traceId")), {}), context)


def _request(row: Record, where: str, trace: Record, context: Context) -> Trace:
    parameters = record(row.get("modelParameters"))
    question = asked_of({"response_format": parameters.get("response_format")} | _input(row.get("input")))
    answered = answered_of(row.get("output"))
    begin = moment(row.get("startTime")) or moment(row.get("timestamp"))
    finish = parameters.get("finish_reason") or record(row.get("metadata")).get("finish_reason")
    trace_id = first_name(row.get("traceId"), trace.get("id"))
    prompt_tokens, answer_tokens = _usage(row, answered)
    return Trace(
        id=first_name(row.get("id")) or where,
        where=where,
        at=begin,
        model=first_name(row.get("providedModelName"), row.get("model"), question.model, answered.model),
        workload=first_name(row.get("traceName"), trace.get("name"), row.get("name")),
        client=first_name(row.get("userId"), trace.get("userId"), question.client),
        conversation=first_name(row.get("sessionId"), trace.get("sessionId"), trace_id),
        messages=question.messages,
        tools=question.tools or _tools(row.get("toolDefinitions")),
        answer=answered.text,
        tool_calls=answered.tool_calls,
        finish_reason=answered.finish_reason or finish_word(finish),
        schema=question.schema,
        prompt_tokens=prompt_tokens,
        answer_tokens=answer_tokens,
        seconds=between(begin, moment(row.get("endTime"))),
        first_token_seconds=between(begin, moment(row.get("completionStartTime"))),
        error=_error(row) or answered.error,
        feedback=_known(context, row.get("id"), trace_id),
        usd=dollars(record(row.get("costDetails")).get("total"), row.get("calculatedTotalCost"), row.get("totalCost")),
    )


def _input(value: Any) -> Record:
    """The request: Langfuse holds its messages, or an object with them and the tools, or a text."""
    held = unpacked(value)
    if isinstance(held, dict) and not any(key in held for key in ("role", "type", "content")):
        return held if any(key in held for key in ("messages", "prompt", "input")) else {"prompt": written(held)}
    return {"messages": held} if held else {}


def _tools(value: Any) -> list[dict[str, Any]] | None:
    """Tools are a list, or an object of a tool's name and its definition."""
    held = unpacked(value)
    if isinstance(held, dict):
        return tools_of([record(item) | {"name": key} for key, item in held.items()])
    return tools_of(held)


def _usage(row: Record, answered: Answered) -> tuple[int | None, int | None]:
    details, usage = record(row.get("usageDetails")), record(row.get("usage"))
    inputs = (details.get("input"), usage.get("input"), usage.get("promptTokens"), row.get("inputTokens"))
    outputs = (details.get("output"), usage.get("output"), usage.get("completionTokens"), row.get("outputTokens"))
    return (
        next((read for read in map(count, inputs) if read is not None), answered.prompt_tokens),
        next((read for read in map(count, outputs) if read is not None), answered.answer_tokens),
    )


def _error(row: Record) -> str | None:
    if row.get("level") != "ERROR":
        return None
    return error_kind(row.get("statusMessage")) or "error"


def _known(context: Context, *ids: object) -> tuple[Feedback, ...]:
    return tuple(feedback for key in ids for feedback in context.feedback.get(str(key), ()))


def _of_scores(scores: list[Record], observation: Record, trace: Record) -> tuple[Feedback, ...]:
    """Of the scores inside of a trace, those of this observation, and those of no observation."""
    mine = [score for score in scores if score.get("observationId") in (None, "", observation.get("id"))]
    return tuple(feedback for feedback in map(_feedback, mine) if feedback is not None)


def _with(request: Trace, feedback: tuple[Feedback, ...]) -> Trace:
    return replace(request, feedback=request.feedback + feedback)


def _feedback(score: Record) -> Feedback | None:
    if str(score.get("source") or "").upper() not in BY_PEOPLE:
        return None
    kind, value = str(score.get("dataType")).upper(), score.get("value")
    text = first_name(score.get("stringValue"), score.get("longStringValue"), value if isinstance(value, str) else None)
    by = first_name(score.get("authorUserId"))
    at = moment(score.get("timestamp")) or moment(score.get("createdAt"))
    if kind == "CORRECTION":
        return Feedback(corrected=text, comment=name(score.get("comment")), by=by, at=at) if text else None
    label = text if kind in ("CATEGORICAL", "BOOLEAN", "TEXT") else None
    return opinion(score.get("name"), value, label, score.get("comment"), by, at)


def _camel(row: Record) -> Record:
    """The row with the keys of the API, of which the storage export writes `start_time` for `startTime`."""
    if not any("_" in key for key in row):
        return row
    read: Record = {}
    for key, value in row.items():
        first, *others = key.split("_")
        read.setdefault(first + "".join(part.capitalize() for part in others), value)
    return read


FORM = LangfuseForm()
