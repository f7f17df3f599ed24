"""Pairs of a request and a response, in the shapes in which people keep them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.monitoring.logs import samples
from tests.monitoring.logs.samples import ANSWER, CALL, QUESTION, SYSTEM, completion, request
from whet.monitoring.logs.openai_pairs import knows, read
from whet.monitoring.trace import Trace


def trace_of(row: dict[str, Any]) -> Trace:
    assert knows(row)
    (trace,) = read(row, "a.jsonl:1")
    return trace


def chunk(delta: dict[str, Any], finish: str | None = None, index: int = 0) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "model": "tickets:3", "choices": [choice]}


TEXT_CHUNKS = [
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": '{"team": '}),
    chunk({"content": "never seen"}, index=1),
    chunk({"content": '"shipping"}'}),
    chunk({}, "stop"),
    {
        "id": "c",
        "object": "chat.completion.chunk",
        "choices": [],
        "usage": {"prompt_tokens": 31, "completion_tokens": 6},
    },
]


@pytest.mark.parametrize(
    "row",
    [
        {"request": request(), "response": completion(content=ANSWER)},
        {"request": json.dumps(request()), "response": json.dumps(completion(content=ANSWER))},
        {"request": {"body": request()}, "response": {"status_code": 200, "body": completion(content=ANSWER)}},
        {"_index": "flywheel", "_id": "1", "_source": {"request": request(), "response": completion(content=ANSWER)}},
        {"input": request(), "output": completion(content=ANSWER), "tags": {"prompt_id": "routing"}},
        {"reqPayload": json.dumps(request()), "respPayload": completion(content=ANSWER), "statusCode": 200},
        request() | {"response": completion(content=ANSWER)},
        {"request": request(), "response": TEXT_CHUNKS},
        {
            "request": request(),
            "response": "".join(f"data: {json.dumps(c)}\n\n" for c in TEXT_CHUNKS) + "data: [DONE]\n",
        },
    ],
    ids=["dicts", "json", "bodies", "elastic", "openpipe", "report", "beside", "chunks", "sse"],
)
def test_shapes_of_one_request(row: dict[str, Any]) -> None:
    trace = trace_of(row)
    assert trace.messages == [SYSTEM, QUESTION]
    assert (trace.answer, trace.finish_reason, trace.model) == (ANSWER, "stop", "tickets")
    assert (trace.prompt_tokens, trace.answer_tokens, trace.error) == (31, 6, None)
    assert trace.version == "tickets:3"


def test_calls_in_a_stream_are_put_together() -> None:
    pieces = [
        chunk({"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "find_order", "arguments": ""}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"number"'}}]}),
        chunk({"tool_calls": [{"index": 1, "id": "call_2", "function": {"name": "now", "arguments": "{}"}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": ": 7}"}}]}),
        chunk({}, "tool_calls"),
    ]
    trace = trace_of({"request": request(), "response": pieces})
    second = {"id": "call_2", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    assert (trace.answer, trace.tool_calls, trace.finish_reason) == (None, [CALL, second], "tool_calls")


def test_a_stream_that_was_cut_off_keeps_what_came() -> None:
    trace = trace_of({"request": request(), "response": f'data: {json.dumps(TEXT_CHUNKS[1])}\n\ndata: {{"cho'})
    assert (trace.answer, trace.finish_reason) == ('{"team": ', None)


def test_the_last_turn_of_a_conversation_is_its_answer() -> None:
    trace = trace_of({"messages": [SYSTEM, QUESTION, {"role": "assistant", "content": ANSWER}], "user_id": 7})
    assert (trace.messages, trace.answer, trace.client, trace.id) == ([SYSTEM, QUESTION], ANSWER, "7", "a.jsonl:1")

    trace = trace_of({"messages": [QUESTION, {"role": "assistant", "content": None, "tool_calls": [CALL]}]})
    assert (trace.messages, trace.answer, trace.tool_calls) == ([QUESTION], None, [CALL])

    trace = trace_of({"messages": [QUESTION]})
    assert (trace.messages, trace.answer) == ([QUESTION], None)


def test_completions_without_chat() -> None:
    response = {"choices": [{"text": " 7 is packed", "finish_reason": "length"}]}
    trace = trace_of({"request": {"model": "m", "prompt": "Order"}, "response": response})
    assert (trace.asked, trace.answer, trace.finish_reason) == ("Order", " 7 is packed", "length")

    trace = trace_of({"prompt": "Order", "completion": "7"})
    assert (trace.asked, trace.answer) == ("Order", "7")

    trace = trace_of({"request": {"prompt": [1, 2, 3]}, "response": response})
    assert trace.messages == []


def test_the_responses_api() -> None:
    output = [
        {"type": "reasoning", "summary": []},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": ANSWER}]},
    ]
    text = {"format": {"type": "json_schema", "name": "routing", "schema": samples.SCHEMA}}
    asked = {"model": "m", "instructions": "You route tickets.", "input": "Where is order 7?", "text": text}
    answered = {"status": "completed", "output": output, "usage": {"input_tokens": 31, "output_tokens": 6}}
    trace = trace_of({"request": asked, "response": answered})
    assert (trace.messages, trace.answer, trace.schema) == ([SYSTEM, QUESTION], ANSWER, samples.SCHEMA)
    assert (trace.finish_reason, trace.prompt_tokens, trace.answer_tokens) == ("stop", 31, 6)

    call = {"type": "function_call", "call_id": "call_1", "name": "find_order", "arguments": '{"number": 7}'}
    result = {"type": "function_call_output", "call_id": "call_1", "output": "packed"}
    trace = trace_of(
        {"request": {"input": [QUESTION, call, result]}, "response": {"status": "completed", "output": [call]}}
    )
    assert trace.messages[1:] == [
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "packed"},
    ]
    assert (trace.answer, trace.tool_calls, trace.finish_reason) == (None, [CALL], "tool_calls")

    cut = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "output": output}
    assert trace_of({"request": asked, "response": cut}).finish_reason == "length"


def test_anthropics_words() -> None:
    blocks = [{"type": "text", "text": "Let me look."}, {"type": "tool_use", "id": "call_1", "name": "find_order"}]
    blocks[1]["input"] = {"number": 7}  # type: ignore[assignment]
    asked = {"system": "You route tickets.", "messages": [QUESTION], "tools": [{"name": "find_order"}]}
    asked["tools"][0]["input_schema"] = {"type": "object"}  # type: ignore[index]
    answered = {"content": blocks, "stop_reason": "tool_use", "usage": {"input_tokens": 31, "output_tokens": 6}}
    trace = trace_of({"request": asked, "response": answered})
    assert (trace.messages, trace.answer, trace.tools) == ([SYSTEM, QUESTION], "Let me look.", [samples.TOOL])
    assert (trace.tool_calls, trace.finish_reason, trace.answer_tokens) == ([CALL], "tool_calls", 6)


@pytest.mark.parametrize(
    ("row", "error"),
    [
        (
            {"response": {"error": {"message": "slow down", "type": "rate_limit_error", "code": 429}}},
            "rate_limit_error",
        ),
        ({"response": {"object": "error", "message": "no", "type": "BadRequestError"}}, "BadRequestError"),
        ({"response": {"status_code": 503, "body": None}}, "503"),
        ({"response": None, "statusCode": 500}, "500"),
        ({"response": None, "errorMessage": "Ada Lovelace's order is broken"}, "error"),
        ({"response": None, "error_details": "httpx.ReadTimeout: 60 s"}, "ReadTimeout"),
        ({"response": {"choices": [{"message": {"content": "half"}, "finish_reason": "abort"}]}}, "abort"),
    ],
)
def test_failed_requests_have_the_kind_of_their_error(row: dict[str, Any], error: str) -> None:
    trace = trace_of({"request": request()} | row)
    assert (trace.error, trace.finish_reason) == (error, None)
    assert trace.messages == [SYSTEM, QUESTION]


@pytest.mark.parametrize(
    ("given", "schema"),
    [
        ({"response_format": samples.FORMAT}, samples.SCHEMA),
        ({"extra_body": {"guided_json": samples.SCHEMA}}, samples.SCHEMA),
        ({"structured_outputs": {"json": json.dumps(samples.SCHEMA)}}, samples.SCHEMA),
        ({"response_format": {"type": "json_object", "schema": samples.SCHEMA}}, samples.SCHEMA),
        ({"response_format": {"type": "json_object"}}, None),
        ({}, None),
    ],
)
def test_schemas(given: dict[str, Any], schema: Any) -> None:
    assert trace_of({"request": request(**given), "response": completion(content=ANSWER)}).schema == schema


def test_times_and_durations() -> None:
    row = {"reqPayload": request(), "respPayload": completion(content=ANSWER)}
    trace = trace_of(row | {"requestedAt": 1_790_000_000_250, "receivedAt": 1_790_000_001_000})
    assert (trace.at, trace.seconds) == (1_790_000_000.25, 0.75)
    trace = trace_of(row | {"latency_ms": 1200, "ttft_ms": 80})
    assert (trace.at, trace.seconds, trace.first_token_seconds) == (1_790_000_001.0, 1.2, 0.08)
    assert trace_of(row | {"latency": 1200}).seconds is None
    assert trace_of(row | {"requestedAt": 1_790_000_001_000, "receivedAt": 1_790_000_000_000}).seconds is None


def test_refusals_and_old_calls_and_parts() -> None:
    assert (
        trace_of({"request": request(), "response": completion(content=None, refusal="I cannot.")}).answer
        == "I cannot."
    )
    old = completion(content=None, function_call={"name": "now", "arguments": "{}"})
    trace = trace_of({"request": request(), "response": old})
    assert trace.tool_calls == [{"id": None, "type": "function", "function": {"name": "now", "arguments": "{}"}}]
    parts = [{"type": "text", "text": "Where?"}, {"type": "image_url", "image_url": {"url": "x"}}]
    assert (
        trace_of({"request": request(messages=[{"role": "user", "content": parts}]), "response": "here"}).asked
        == "Where?"
    )


@pytest.mark.parametrize(
    "row", [{}, {"request": {}}, {"input": {"a": 1}}, {"text": "x"}, {"response": {"choices": []}}]
)
def test_what_is_no_request_is_not_known(row: dict[str, Any]) -> None:
    assert not knows(row)
