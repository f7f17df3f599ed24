"""One small log of each format: three requests about orders, the second with a tool call, the third failed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SCHEMA = {"type": "object", "properties": {"team": {"type": "string"}}, "required": ["team"]}
FORMAT = {"type": "json_schema", "json_schema": {"name": "routing", "schema": SCHEMA, "strict": True}}
TOOL = {"type": "function", "function": {"name": "find_order", "parameters": {"type": "object"}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "find_order", "arguments": '{"number": 7}'}}
BEGIN = 1_790_000_000.0
"""2026-09-21T14:13:20Z"""
SYSTEM = {"role": "system", "content": "You route tickets."}
QUESTION = {"role": "user", "content": "Where is order 7?"}
ANSWER = '{"team": "shipping"}'


def write_lines(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def completion(**message: Any) -> dict[str, Any]:
    finish = "tool_calls" if message.get("tool_calls") else "stop"
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": int(BEGIN) + 1,
        "model": "tickets:3",
        "choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}],
        "usage": {"prompt_tokens": 31, "completion_tokens": 6, "total_tokens": 37},
    }


def request(**more: Any) -> dict[str, Any]:
    return {"model": "tickets", "messages": [SYSTEM, QUESTION], **more}


def flywheel() -> list[dict[str, Any]]:
    """Rows as NVIDIA's flywheel keeps them."""
    row = {"timestamp": int(BEGIN), "workload_id": "routing", "client_id": "shop", "request": request()}
    return [
        row | {"request": request(response_format=FORMAT, user="u-1"), "response": completion(content=ANSWER)},
        row | {"request": request(tools=[TOOL]), "response": completion(content=None, tool_calls=[CALL])},
        row | {"response": None, "error_details": "RateLimitError: try again later"},
    ]


def litellm() -> list[dict[str, Any]]:
    payload = {
        "id": "chatcmpl-1",
        "trace_id": "talk-1",
        "call_type": "acompletion",
        "stream": True,
        "status": "success",
        "response_cost": 0.0001,
        "prompt_tokens": 31,
        "completion_tokens": 6,
        "startTime": BEGIN,
        "endTime": BEGIN + 2.5,
        "completionStartTime": BEGIN + 0.25,
        "model": "hosted_vllm/tickets-3",
        "model_group": "tickets",
        "metadata": {"user_api_key_user_id": "key-owner"},
        "request_tags": ["User-Agent: curl", "routing"],
        "end_user": "u-1",
        "messages": [SYSTEM, QUESTION],
        "response": completion(content=ANSWER),
        "model_parameters": {"response_format": FORMAT},
        "error_str": None,
    }
    calls = {"id": "2", "response": completion(content=None, tool_calls=[CALL]), "model_parameters": {"tools": [TOOL]}}
    failed = {"id": "3", "status": "failure", "response": {}, "prompt_tokens": 0, "completion_tokens": 0}
    failed["error_information"] = {"error_class": "RateLimitError", "error_message": "too many requests"}
    return [payload, payload | calls, payload | failed]


def langfuse() -> list[dict[str, Any]]:
    """As the storage export writes them, with a thumb, a correction and a model's score."""
    row = {
        "id": "obs-1",
        "trace_id": "trace-1",
        "type": "GENERATION",
        "name": "route",
        "start_time": "2026-09-21 14:13:20.000000",
        "end_time": "2026-09-21 14:13:22.500000",
        "completion_start_time": "2026-09-21 14:13:20.250000",
        "level": "DEFAULT",
        "status_message": "",
        "trace_name": "routing",
        "user_id": "u-1",
        "session_id": "talk-1",
        "provided_model_name": "tickets",
        "model_parameters": json.dumps({"response_format": FORMAT}),
        "usage_details": {"input": 31, "output": 6, "total": 37},
        "input": json.dumps([SYSTEM, QUESTION]),
        "output": json.dumps({"role": "assistant", "content": ANSWER}),
    }
    asked = json.dumps({"messages": [SYSTEM, QUESTION], "tools": [TOOL]})
    calls = {"id": "obs-2", "trace_id": "trace-2", "input": asked, "output": json.dumps({"tool_calls": [CALL]})}
    failed = {"id": "obs-3", "trace_id": "trace-3", "output": "", "level": "ERROR"}
    failed["status_message"] = "openai.RateLimitError: too many requests"
    span = {"id": "obs-0", "type": "SPAN", "input": "", "output": ""}
    score = {"id": "s-1", "trace_id": "trace-1", "observation_id": "obs-1", "name": "thumb", "source": "API"}
    score |= {"data_type": "BOOLEAN", "value": 0, "string_value": "False", "comment": "wrong team"}
    fixed = {"name": "output", "data_type": "CORRECTION", "value": 0, "string_value": '{"team": "returns"}'}
    judged = {"name": "relevance", "data_type": "NUMERIC", "source": "EVAL", "value": 1, "string_value": None}
    return [row | span, row, row | calls, row | failed, score, score | fixed, score | judged]


def phoenix() -> list[dict[str, Any]]:
    """Rows of Phoenix's data frame, and a person's annotation."""
    row = {
        "name": "ChatCompletion",
        "span_kind": "LLM",
        "parent_id": None,
        "start_time": "2026-09-21T14:13:20+00:00",
        "end_time": "2026-09-21T14:13:22.500000+00:00",
        "status_code": "OK",
        "status_message": "",
        "events": [{"name": "First Token Stream Event", "timestamp": "2026-09-21T14:13:20.250000+00:00"}],
        "context.span_id": "a1",
        "context.trace_id": "t1",
        "attributes.session.id": "talk-1",
        "attributes.user.id": "u-1",
        "attributes.llm.model_name": "tickets",
        "attributes.llm.token_count.prompt": 31,
        "attributes.llm.token_count.completion": 6,
        "attributes.llm.invocation_parameters": json.dumps({"response_format": FORMAT}),
        "attributes.llm.input_messages": [
            {"message.role": "system", "message.content": "You route tickets."},
            {"message.role": "user", "message.contents": [_text_part("Where is order 7?")]},
        ],
        "attributes.llm.output_messages": [{"message.role": "assistant", "message.content": ANSWER}],
        "attributes.output.value": json.dumps(completion(content=ANSWER)),
    }
    call = {"tool_call.id": "call_1", "tool_call.function.name": "find_order"}
    call["tool_call.function.arguments"] = '{"number": 7}'
    calls = {
        "context.span_id": "a2",
        "attributes.llm.output_messages": [{"message.role": "assistant", "message.tool_calls": [call]}],
        "attributes.output.value": json.dumps(completion(content=None, tool_calls=[CALL])),
        "attributes.llm.tools": [{"tool.json_schema": json.dumps(TOOL)}],
    }
    thrown = {"name": "exception", "timestamp": None, "attributes": {"exception.type": "RateLimitError"}}
    failed = {"context.span_id": "a3", "status_code": "ERROR", "events": [thrown], "attributes.output.value": None}
    failed["attributes.llm.output_messages"] = None
    note = {"span_id": "a1", "name": "thumb", "annotator_kind": "HUMAN"}
    note["result"] = {"label": "thumbs-down", "score": 0, "explanation": "wrong team"}
    judged = note | {"annotator_kind": "LLM", "result": {"label": "correct", "score": 1}}
    return [row, row | calls, row | failed, row | {"span_kind": "CHAIN", "context.span_id": "a0"}, note, judged]


def _text_part(text: str) -> dict[str, Any]:
    return {"message_content.type": "text", "message_content.text": text}


def attributes(**values: Any) -> list[dict[str, Any]]:
    """Attributes as OTLP writes them; `__` in a name stands for a dot."""
    return [{"key": key.replace("__", "."), "value": value_of(value)} for key, value in values.items()]


def value_of(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [value_of(item) for item in value]}}
    return {"kvlistValue": {"values": [{"key": key, "value": value_of(item)} for key, item in value.items()]}}


def otlp(*spans: dict[str, Any]) -> dict[str, Any]:
    resource = {"attributes": attributes(service__name="shop")}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {}, "spans": list(spans)}]}]}


def span(identifier: str, given: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": identifier,
        "name": "chat tickets",
        "kind": 3,
        "startTimeUnixNano": str(int(BEGIN) * 10**9),
        "endTimeUnixNano": str(int((BEGIN + 2.5) * 10**9)),
        "attributes": given,
        **more,
    }


def genai(**more: Any) -> list[dict[str, Any]]:
    return attributes(gen_ai__operation__name="chat", gen_ai__request__model="tickets", **more)


def otel() -> list[dict[str, Any]]:
    """The conventions of today, with messages as JSON in attributes."""
    asked = [{"role": "user", "parts": [{"type": "text", "content": "Where is order 7?"}]}]
    given = {
        "gen_ai__conversation__id": "talk-1",
        "user__id": "u-1",
        "gen_ai__usage__input_tokens": 31,
        "gen_ai__usage__output_tokens": 6,
        "gen_ai__response__finish_reasons": ["stop"],
        "gen_ai__response__time_to_first_chunk": 0.25,
        "gen_ai__system_instructions": json.dumps([{"type": "text", "content": "You route tickets."}]),
        "gen_ai__input__messages": json.dumps(asked),
    }
    said = [{"role": "assistant", "parts": [{"type": "text", "content": ANSWER}], "finish_reason": "stop"}]
    call = {"type": "tool_call", "id": "call_1", "name": "find_order", "arguments": {"number": 7}}
    called = [{"role": "assistant", "parts": [call], "finish_reason": "tool_call"}]
    tools = [{"type": "function", "name": "find_order", "parameters": {"type": "object"}}]
    calls = given | {"gen_ai__tool__definitions": json.dumps(tools), "gen_ai__response__finish_reasons": ["tool_call"]}
    return [
        otlp(
            span("00000000000000a1", genai(**given, gen_ai__output__messages=json.dumps(said))),
            span("00000000000000b1", attributes(http__request__method="POST")),
        ),
        otlp(span("00000000000000a2", genai(**calls, gen_ai__output__messages=json.dumps(called)))),
        otlp(span("00000000000000a3", genai(error__type="RateLimitError"), status={"code": 2})),
    ]


TEMPLATE = "<|im_start|>system\nYou route tickets.<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
SAMPLING = f"SamplingParams(n=1, temperature=0.0, structured_outputs=StructuredOutputsParams(json={SCHEMA!r}))"
ADAPTER = "LoRARequest(lora_name='tickets', lora_int_id=1, lora_path='/m/tickets')"


def vllm_line(level: str, second: int, words: str) -> str:
    return f"(APIServer pid=1) {level} 09-21 14:13:{second} [logger.py:42] {words}\n"


def vllm() -> str:
    """A server with the level DEBUG: two requests at once, and one that has no answer yet."""
    first, second = TEMPLATE.format("Where is order 7?"), TEMPLATE.format('What\'s the "status" of 8?')
    rest = "prompt_token_ids: {}, prompt_embeds shape: None."
    ids = "output_token_ids: [4, 5, 6, 7, 8, 9]"
    lines = [
        ("INFO", 10, "vLLM API server version 0.19.1"),
        ("DEBUG", 20, f"Request chatcmpl-a details: prompt: {first!r}, {rest.format([1, 2, 3])}"),
        ("INFO", 20, f"Received request chatcmpl-a: params: {SAMPLING}, lora_request: {ADAPTER}."),
        ("DEBUG", 21, f"Request chatcmpl-b details: prompt: {second!r}, {rest.format([1])}"),
        ("INFO", 21, "Received request chatcmpl-b: params: SamplingParams(n=1), lora_request: None."),
        ("INFO", 22, "Generated response chatcmpl-b: output: 'It is packed.', finish_reason: length"),
        ("INFO", 22, "Generated response chatcmpl-a (streaming delta): output: 'x', finish_reason: None"),
        (
            "INFO",
            23,
            f"Generated response chatcmpl-a (streaming complete): output: {ANSWER!r}, {ids}, finish_reason: stop",
        ),
        ("INFO", 24, "Received request chatcmpl-c: params: SamplingParams(n=1), lora_request: None."),
    ]
    return "".join(vllm_line(*line) for line in lines)
