"""OpenTelemetry's conventions for requests to models, of today and of before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.monitoring.logs import samples
from tests.monitoring.logs.samples import (
    ANSWER,
    BEGIN,
    CALL,
    QUESTION,
    SYSTEM,
    attributes,
    genai,
    otlp,
    span,
    write_lines,
)
from whet.monitoring.logs.reading import read_log
from whet.monitoring.trace import Trace

TRACE = "5b8efff798038103d269b633813fc60c"
CALL_PART = {"type": "tool_call", "id": "call_1", "name": "find_order", "arguments": {"number": 7}}


def traces(path: Path, *lines: dict[str, Any]) -> list[Trace]:
    return read_log(write_lines(path, list(lines))).traces


def only(path: Path, *lines: dict[str, Any]) -> Trace:
    (trace,) = traces(path, *lines)
    return trace


def log_record(name: str, body: Any, span_id: str = "a1", **given: Any) -> dict[str, Any]:
    time = str(int(BEGIN) * 10**9)
    record = {"timeUnixNano": time, "eventName": name, "traceId": TRACE, "spanId": span_id}
    record |= {"attributes": attributes(**given), "body": samples.value_of(body)}
    return {"resourceLogs": [{"resource": {"attributes": []}, "scopeLogs": [{"logRecords": [record]}]}]}


OLD_EVENTS = [
    log_record("gen_ai.system.message", {"content": "You route tickets."}),
    log_record("gen_ai.user.message", {"content": "Where is order 7?"}),
    log_record(
        "gen_ai.choice", {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": ANSWER}}
    ),
]


def test_a_talk_with_tools_in_structured_attributes(tmp_path: Path) -> None:
    talk = [
        {"role": "user", "parts": [{"type": "text", "content": "Where is order 7?"}]},
        {"role": "assistant", "parts": [{"type": "reasoning", "content": "hm"}, CALL_PART]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_1", "response": {"state": "packed"}}]},
    ]
    answer = [{"role": "assistant", "parts": [{"type": "text", "content": ANSWER}], "finish_reason": "max_tokens"}]
    trace = only(tmp_path / "a", otlp(span("a1", genai(gen_ai__input__messages=talk, gen_ai__output__messages=answer))))
    assert trace.messages == [
        QUESTION,
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": '{"state": "packed"}'},
    ]
    assert (trace.answer, trace.finish_reason, trace.workload) == (ANSWER, "length", "shop")


@pytest.mark.parametrize("order", ["events first", "span first", "no span"])
def test_events_of_old_join_their_span(order: str, tmp_path: Path) -> None:
    line = otlp(span("a1", genai(gen_ai__usage__input_tokens=31)))
    lines = {"events first": [*OLD_EVENTS, line], "span first": [line, *OLD_EVENTS], "no span": OLD_EVENTS}
    trace = only(tmp_path / "a", *lines[order])
    assert (trace.messages, trace.answer, trace.finish_reason) == ([SYSTEM, QUESTION], ANSWER, "stop")
    assert trace.at == BEGIN
    assert (trace.prompt_tokens, trace.seconds) == ((None, None) if order == "no span" else (31, 2.5))


def test_events_of_two_requests_stay_apart(tmp_path: Path) -> None:
    other = [log_record("gen_ai.user.message", {"content": "Hello?"}, span_id="a2")]
    first, second = traces(tmp_path / "a", OLD_EVENTS[0], *other, *OLD_EVENTS[1:])
    assert (first.asked, second.asked, second.answer) == ("Where is order 7?", "Hello?", None)


def test_events_that_nothing_joins_are_no_requests(tmp_path: Path) -> None:
    alone = log_record("gen_ai.user.message", {"content": "Hello?"}, span_id="")
    assert only(tmp_path / "a", alone, otlp(span("a1", genai()))).id == "a1"


def test_the_event_of_today(tmp_path: Path) -> None:
    asked = [{"role": "user", "parts": [{"type": "text", "content": "Where?"}]}]
    answered = [{"role": "assistant", "parts": [{"type": "text", "content": "Here."}], "finish_reason": "stop"}]
    given = {"gen_ai__operation__name": "chat", "gen_ai__request__model": "tickets", "gen_ai__input__messages": asked}
    event = log_record("gen_ai.client.inference.operation.details", "", **given, gen_ai__output__messages=answered)
    trace = only(tmp_path / "a", event)
    assert (trace.model, trace.asked, trace.answer, trace.at) == ("tickets", "Where?", "Here.", BEGIN)


def test_events_inside_of_a_span(tmp_path: Path) -> None:
    choice = {"index": 0, "finish_reason": "tool_calls", "message": json.dumps({"tool_calls": [CALL]})}
    events = [
        {"name": "gen_ai.user.message", "timeUnixNano": "1", "attributes": attributes(content="Where is order 7?")},
        {"name": "gen_ai.choice", "timeUnixNano": "2", "attributes": attributes(**choice)},
    ]
    trace = only(tmp_path / "a", otlp(span("a1", genai(), events=events)))
    assert (trace.messages, trace.tool_calls, trace.finish_reason) == ([QUESTION], [CALL], "tool_calls")

    prompt, answer = json.dumps([SYSTEM, QUESTION]), json.dumps([{"role": "assistant", "content": ANSWER}])
    events = [
        {"name": "gen_ai.content.prompt", "attributes": attributes(gen_ai__prompt=prompt)},
        {"name": "gen_ai.content.completion", "attributes": attributes(gen_ai__completion=answer)},
    ]
    trace = only(tmp_path / "a", otlp(span("a1", genai(), events=events)))
    assert (trace.messages, trace.answer) == ([SYSTEM, QUESTION], ANSWER)


def test_numbered_attributes_of_old(tmp_path: Path) -> None:
    given = {
        "llm__request__type": "chat",
        "gen_ai__request__model": "tickets",
        "gen_ai__prompt__0__role": "system",
        "gen_ai__prompt__0__content": "You route tickets.",
        "gen_ai__prompt__1__role": "user",
        "gen_ai__prompt__1__content": "Where is order 7?",
        "gen_ai__completion__0__role": "assistant",
        "gen_ai__completion__0__content": ANSWER,
        "gen_ai__completion__0__finish_reason": "stop",
        "gen_ai__completion__0__tool_calls__0__id": "call_1",
        "gen_ai__completion__0__tool_calls__0__name": "find_order",
        "gen_ai__completion__0__tool_calls__0__arguments": '{"number": 7}',
        "gen_ai__usage__prompt_tokens": 31,
        "gen_ai__usage__completion_tokens": 6,
        "llm__request__functions__0__name": "find_order",
        "llm__request__functions__0__parameters": '{"type": "object"}',
        "gen_ai__request__structured_output_schema": json.dumps(samples.SCHEMA),
    }
    trace = only(tmp_path / "a", otlp(span("a1", attributes(**given))))
    assert (trace.messages, trace.answer, trace.finish_reason) == ([SYSTEM, QUESTION], ANSWER, "stop")
    assert (trace.tool_calls, trace.schema) == ([CALL], samples.SCHEMA)
    assert trace.tools and trace.tools[0]["function"]["name"] == "find_order"
    assert (trace.prompt_tokens, trace.answer_tokens) == (31, 6)


@pytest.mark.parametrize("operation", ["embeddings", "execute_tool", "invoke_agent", "create_agent", "retrieval"])
def test_other_operations_are_no_requests(operation: str, tmp_path: Path) -> None:
    tool = span("a2", attributes(gen_ai__operation__name=operation, gen_ai__request__model="tickets"))
    assert [trace.id for trace in traces(tmp_path / "a", otlp(tool, span("a1", genai())))] == ["a1"]


def test_spans_of_vllm_itself_have_no_content(tmp_path: Path) -> None:
    given = {
        "gen_ai__request__id": "chatcmpl-a",
        "gen_ai__usage__prompt_tokens": 31,
        "gen_ai__latency__time_to_first_token": 0.25,
    }
    trace = only(tmp_path / "a", otlp(span("a1", attributes(**given))))
    assert (trace.id, trace.prompt_tokens, trace.first_token_seconds, trace.messages) == ("chatcmpl-a", 31, 0.25, [])


def test_the_model_that_answered_is_the_version(tmp_path: Path) -> None:
    assert only(tmp_path / "a", otlp(span("a1", genai(gen_ai__response__model="tickets:3")))).version == "tickets:3"
    assert only(tmp_path / "a", otlp(span("a1", genai(gen_ai__response__model="tickets")))).version is None


def test_failures(tmp_path: Path) -> None:
    thrown = {"name": "exception", "attributes": attributes(exception__type="openai.RateLimitError")}
    assert (
        only(tmp_path / "a", otlp(span("a1", genai(), status={"code": 2}, events=[thrown]))).error == "RateLimitError"
    )
    assert only(tmp_path / "a", otlp(span("a1", genai(), status={"code": "STATUS_CODE_ERROR"}))).error == "error"
    assert only(tmp_path / "a", otlp(span("a1", genai(), status={"code": 1}))).error is None
    assert only(tmp_path / "a", otlp(span("a1", genai(gen_ai__response__finish_reasons=["error"])))).error == "error"


def test_the_console_exporter(tmp_path: Path) -> None:
    row = {
        "name": "chat tickets",
        "context": {"trace_id": "0x1", "span_id": "0x2", "trace_state": "[]"},
        "kind": "SpanKind.CLIENT",
        "parent_id": None,
        "start_time": "2026-09-21T14:13:20.000000Z",
        "end_time": "2026-09-21T14:13:22.500000Z",
        "status": {"status_code": "ERROR", "description": "TimeoutError: 2 s"},
        "attributes": {"gen_ai.operation.name": "chat", "gen_ai.request.model": "tickets"},
        "events": [],
        "links": [],
        "resource": {"attributes": {"service.name": "shop"}},
    }
    trace = only(tmp_path / "a", row)
    assert (trace.id, trace.at, trace.seconds, trace.error) == ("0x2", BEGIN, 2.5, "TimeoutError")
    assert (trace.model, trace.workload) == ("tickets", "shop")


def test_a_span_that_was_sent_again_counts_once_and_spans_without_an_id_each(tmp_path: Path) -> None:
    line, nameless = otlp(span("a1", genai())), span("a1", genai())
    del nameless["spanId"]
    zeros = otlp(span("0000000000000000", genai()))
    assert [trace.id for trace in traces(tmp_path / "a", line, line, otlp(span("a2", genai())))] == ["a1", "a2"]
    assert len(traces(tmp_path / "a", otlp(nameless, nameless), otlp(nameless), zeros, zeros)) == 5


def test_metrics_in_the_same_file_are_left_out(tmp_path: Path) -> None:
    assert only(tmp_path / "a", {"resourceMetrics": []}, otlp(span("a1", genai()))).id == "a1"
