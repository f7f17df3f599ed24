"""Spans of OpenInference: columns with dots, nested objects, and attributes with numbers in their names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.monitoring.logs import samples
from tests.monitoring.logs.samples import ANSWER, CALL, QUESTION, SYSTEM, completion, write_lines
from whet.monitoring.logs.contents.spans import nested
from whet.monitoring.logs.reading import read_log
from whet.monitoring.trace import Feedback, Trace

FLAT = {
    "openinference.span.kind": "LLM",
    "llm.model_name": "tickets",
    "llm.token_count.prompt": 31,
    "llm.token_count.completion": 6,
    "llm.invocation_parameters": json.dumps({"response_format": samples.FORMAT}),
    "llm.input_messages.0.message.role": "system",
    "llm.input_messages.0.message.content": "You route tickets.",
    "llm.input_messages.1.message.role": "user",
    "llm.input_messages.1.message.contents.0.message_content.type": "text",
    "llm.input_messages.1.message.contents.0.message_content.text": "Where is order 7?",
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.content": ANSWER,
    "llm.output_messages.0.message.tool_calls.0.tool_call.id": "call_1",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "find_order",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"number": 7}',
    "session.id": "talk-1",
}


def api_span(attributes: Any, **more: Any) -> dict[str, Any]:
    """A span as Phoenix's API returns it."""
    return {
        "id": "U3Bhbjox",
        "name": "ChatCompletion",
        "context": {"trace_id": "t1", "span_id": "a1"},
        "span_kind": "LLM",
        "start_time": "2026-09-21T14:13:20Z",
        "end_time": "2026-09-21T14:13:21Z",
        "status_code": "OK",
        "attributes": attributes,
        "events": [],
        **more,
    }


def traces(path: Path, *rows: dict[str, Any]) -> list[Trace]:
    return read_log(write_lines(path, list(rows))).traces


@pytest.mark.parametrize("shape", ["flat", "nested", "text"])
def test_attributes_in_each_shape(shape: str, tmp_path: Path) -> None:
    shapes: dict[str, Any] = {"flat": FLAT, "nested": nested(FLAT), "text": json.dumps(nested(FLAT))}
    (trace,) = traces(tmp_path / "a", api_span(shapes[shape]))
    assert (trace.id, trace.model, trace.conversation, trace.seconds) == ("a1", "tickets", "talk-1", 1.0)
    assert [trace.messages[0], trace.asked] == [SYSTEM, "Where is order 7?"]
    assert (trace.answer, trace.tool_calls, trace.schema) == (ANSWER, [CALL], samples.SCHEMA)
    assert (trace.prompt_tokens, trace.answer_tokens) == (31, 6)


def test_otlp_with_openinferences_attributes_is_read_too(tmp_path: Path) -> None:
    given = [{"key": key, "value": samples.value_of(value)} for key, value in FLAT.items()]
    log = read_log(write_lines(tmp_path / "a", [samples.otlp(samples.span("a1", given))]))
    assert log.form == "otel"
    assert (log.traces[0].answer, log.traces[0].tool_calls, log.traces[0].answer_tokens) == (ANSWER, [CALL], 6)


def test_spans_without_messages_are_read_from_their_values(tmp_path: Path) -> None:
    given = {"openinference.span.kind": "LLM", "input.value": json.dumps(samples.request(tools=[samples.TOOL]))}
    given["output.value"] = json.dumps(completion(content=ANSWER))
    (trace,) = traces(tmp_path / "a", api_span(given))
    assert (trace.messages, trace.tools, trace.model) == ([SYSTEM, QUESTION], [samples.TOOL], "tickets")
    assert (trace.answer, trace.finish_reason, trace.prompt_tokens) == (ANSWER, "stop", 31)

    (trace,) = traces(tmp_path / "a", api_span({"input.value": "Where?", "output.value": "Here."}))
    assert (trace.asked, trace.answer) == ("Where?", "Here.")


def test_content_that_was_hidden_is_no_content(tmp_path: Path) -> None:
    hidden = {key: "__REDACTED__" if key.endswith(("content", "text")) else value for key, value in FLAT.items()}
    (trace,) = traces(tmp_path / "a", api_span(hidden | {"input.value": "__REDACTED__"}))
    assert (trace.asked, trace.answer, trace.answer_tokens) == ("", None, 6)


def test_people_are_heard_and_models_that_judge_are_not(tmp_path: Path) -> None:
    first, second, _ = traces(tmp_path / "a", *samples.phoenix()[::-1])[::-1]
    assert first.feedback == (Feedback(good=False, comment="wrong team"),)
    assert second.feedback == ()

    note = {"name": "thumb", "annotator_kind": "HUMAN", "result": {"score": 1.0}, "created_at": "2026-09-21T14:13:20Z"}
    (trace,) = traces(tmp_path / "a", api_span(FLAT, annotations=[note]))
    assert trace.feedback == (Feedback(good=True, at=samples.BEGIN),)


def test_names_with_dots_become_a_tree() -> None:
    flat = {"a.1.b": 1, "a.0.b": 0, "c": {"d.e": None, "d.f": 2}, "g": [{"h.i": 3}], "j": 4, "j.k": 5}
    assert nested(flat) == {"a": [{"b": 0}, {"b": 1}], "c": {"d": {"f": 2}}, "g": [{"h": {"i": 3}}], "j": 4}
