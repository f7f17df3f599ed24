"""Spans of requests to a model, read from an exporter in memory."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from openai import OpenAI
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from tests.server.serving import in_a_thread
from whet.errors import InputError
from whet.server.application import create_app
from whet.server.settings import Settings
from whet.server.telemetry.opening import Telemetry, open_telemetry

SECRET = "Where is the treasure of Redbeard?"
MESSAGES: list[Any] = [{"role": "user", "content": SECRET}]
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HEADERS = {"traceparent": f"00-{TRACE}-{CALLER}-01"}


@dataclass(frozen=True)
class Watched:
    client: OpenAI
    url: str
    port: int
    telemetry: Telemetry
    exporter: InMemorySpanExporter

    def span(self, asked: Callable[[], Any]) -> ReadableSpan:
        """The one span of what is asked."""
        self.telemetry.provider.force_flush()
        self.exporter.clear()
        asked()
        until = time.monotonic() + 20
        while time.monotonic() < until:  # the answer is there a moment before its span ends
            self.telemetry.provider.force_flush()
            if self.exporter.get_finished_spans():
                break
        (span,) = self.exporter.get_finished_spans()
        return span


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    exporter = InMemorySpanExporter()
    telemetry = open_telemetry({}, exporter)
    assert telemetry is not None
    settings = Settings(tmp_path_factory.mktemp("home"), auth=False, workers=0, aliases={"gpt-4o-mini": "nano"})
    with in_a_thread(create_app(settings, telemetry)) as port:
        url = f"http://127.0.0.1:{port}/v1"
        client = OpenAI(base_url=url, api_key="none", max_retries=0, default_headers=HEADERS)
        yield Watched(client, url, port, telemetry, exporter)


def told(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_a_chat_is_a_span_in_the_trace_of_its_caller(watched: Watched) -> None:
    answers = []
    ask: dict[str, Any] = {"model": "gpt-4o-mini", "temperature": 0, "max_tokens": 3, "seed": 5}
    span = watched.span(lambda: answers.append(watched.client.chat.completions.create(messages=MESSAGES, **ask)))
    (answer,) = answers
    assert span.name == "chat gpt-4o-mini" and span.kind is SpanKind.SERVER
    assert span.context is not None and f"{span.context.trace_id:032x}" == TRACE
    assert span.parent is not None and f"{span.parent.span_id:016x}" == CALLER and span.parent.is_remote
    assert span.status.status_code is StatusCode.UNSET
    assert told(span) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "whet",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.request.temperature": 0.0,
        "gen_ai.request.max_tokens": 3,
        "gen_ai.request.seed": 5,
        "gen_ai.response.model": "gpt-4o-mini",
        "gen_ai.response.id": answer.id,
        "gen_ai.response.finish_reasons": (answer.choices[0].finish_reason,),
        "gen_ai.usage.input_tokens": answer.usage.prompt_tokens,
        "gen_ai.usage.output_tokens": answer.usage.completion_tokens,
        "server.address": "127.0.0.1",
        "server.port": watched.port,
    }
    assert span.resource.attributes["service.name"] == "whet"


def test_a_stream_ends_its_span_with_its_last_word(watched: Watched) -> None:
    ask: dict[str, Any] = {"model": "nano", "temperature": 0, "max_tokens": 6, "n": 2}
    answers: list[Any] = []
    watched.span(lambda: answers.append(watched.client.chat.completions.create(messages=MESSAGES, **ask)))
    (whole,) = answers
    span = watched.span(lambda: list(watched.client.chat.completions.create(messages=MESSAGES, stream=True, **ask)))
    found = told(span)
    assert found["gen_ai.request.stream"] is True and found["gen_ai.request.choice.count"] == 2
    assert found["gen_ai.usage.input_tokens"] == whole.usage.prompt_tokens, "though the stream does not tell them"
    assert found["gen_ai.usage.output_tokens"] == whole.usage.completion_tokens
    assert found["gen_ai.response.finish_reasons"] == tuple(choice.finish_reason for choice in whole.choices)
    assert found["gen_ai.response.id"].startswith("chatcmpl-")
    assert span.end_time and span.start_time
    assert 0 < found["gen_ai.response.time_to_first_chunk"] <= (span.end_time - span.start_time) / 1e9


def test_other_paths_have_names_of_their_own(watched: Watched) -> None:
    client = watched.client
    span = watched.span(lambda: client.completions.create(model="nano", prompt=SECRET, max_tokens=2))
    assert span.name == "text_completion nano" and told(span)["gen_ai.usage.output_tokens"] == 2
    span = watched.span(lambda: client.responses.create(model="nano", input=SECRET, max_output_tokens=2))
    assert span.name == "chat nano" and told(span)["gen_ai.response.id"].startswith("resp_")
    assert told(span)["gen_ai.request.max_tokens"] == 2


def test_an_error_is_named_as_the_client_is_told(watched: Watched) -> None:
    def asked(body: Any, path: str = "/chat/completions") -> None:
        httpx2.post(f"{watched.url}{path}", json=body)

    for body, path, name, error in (
        ({"model": "gpt-9", "messages": MESSAGES}, "/chat/completions", "chat gpt-9", "model_not_found"),
        ({"model": "nano", "messages": MESSAGES, "mood": 1}, "/chat/completions", "chat nano", "unknown_parameter"),
        ({"model": 5}, "/chat/completions", "chat", "invalid_value"),
        ({"model": "nano", "input": "a"}, "/embeddings", "embeddings nano", "model_not_supported"),
    ):
        span = watched.span(lambda body=body, path=path: asked(body, path))
        assert (span.name, told(span)["error.type"]) == (name, error)
        assert span.status.status_code is StatusCode.ERROR


def test_a_client_that_leaves_is_an_error_of_the_span(watched: Watched) -> None:
    def left() -> None:
        with watched.client.chat.completions.create(
            model="nano", messages=MESSAGES, max_tokens=900, stream=True, logit_bias={"1": -100}
        ) as stream:
            next(iter(stream))

    span = watched.span(left)
    assert told(span)["error.type"] == "client_closed_request"
    assert "gen_ai.response.finish_reasons" not in told(span)
    assert 0 < told(span)["gen_ai.usage.output_tokens"] < 900


def test_what_is_said_is_recorded_only_where_that_is_asked_for(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Any] = []
    ask: dict[str, Any] = {"model": "nano", "messages": MESSAGES, "temperature": 0, "max_tokens": 8}

    def whole() -> None:
        answers.append(watched.client.chat.completions.create(**ask))

    def streamed() -> None:
        answers.append(list(watched.client.chat.completions.create(**ask, stream=True)))

    quiet = watched.span(whole).to_json()
    text = answers[0].choices[0].message.content
    assert "treasure" not in quiet and "messages" not in quiet

    monkeypatch.setattr(watched.telemetry, "content", True)
    for asked in (whole, streamed):
        found = told(watched.span(asked))
        assert json.loads(found["gen_ai.input.messages"]) == [
            {"role": "user", "parts": [{"type": "text", "content": SECRET}]}
        ]
        (said,) = json.loads(found["gen_ai.output.messages"])
        assert said["parts"] == [{"type": "text", "content": text}]
        assert said["finish_reason"] == answers[0].choices[0].finish_reason


def test_nobody_else_has_a_span(watched: Watched) -> None:
    def asked() -> None:
        watched.client.models.list()
        with pytest.raises(openai.NotFoundError):
            watched.client.chat.completions.create(model="gpt-9", messages=MESSAGES)

    assert watched.span(asked).name == "chat gpt-9"


# ---- settings


def test_without_the_variables_nothing_is_imported() -> None:
    program = (
        "import sys; from whet.server.telemetry import jobs, opening, requests\n"
        "assert opening.open_telemetry({}) is None\n"
        "assert opening.open_telemetry({'OTEL_TRACES_EXPORTER': 'none', 'OTEL_EXPORTER_OTLP_ENDPOINT': 'x'}) is None\n"
        "assert opening.open_telemetry({'OTEL_SDK_DISABLED': 'true', 'OTEL_EXPORTER_OTLP_ENDPOINT': 'x'}) is None\n"
        "sys.exit(','.join(name for name in sys.modules if name.startswith('opentelemetry')) or None)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "EVENT_ONLY"),
    ],
)
def test_a_variable_that_asks_for_what_is_not_here_is_refused(name: str, value: str) -> None:
    with pytest.raises(InputError) as refused:
        open_telemetry({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", name: value})
    assert refused.value.where == name and refused.value.fix


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(InputError, match="whet\\[otel\\]"):
        open_telemetry({"OTEL_TRACES_EXPORTER": "otlp"})


def test_a_receiver_of_otlp_gets_the_last_span_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over HTTP, as OpenTelemetry's own variables say; the service ends before the batch would be sent."""
    taken: list[tuple[str, ExportTraceServiceRequest]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            taken.append((self.path, ExportTraceServiceRequest.FromString(body)))
            assert self.headers["authorization"] == "Bearer abc"
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Receiver) as receiver:
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{receiver.server_port}",
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20abc",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
            "OTEL_SERVICE_NAME": "desk",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        app = create_app(Settings(tmp_path, auth=False, workers=0, models=()), open_telemetry(environment))
        with in_a_thread(app) as port:
            asked = httpx2.post(f"http://127.0.0.1:{port}/v1/completions", json={"model": "x"}, headers=HEADERS)
            assert asked.status_code == 400
        receiver.shutdown()

    ((path, sent),) = taken
    assert path == "/v1/traces"
    (resource,) = sent.resource_spans
    named = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert named["service.name"] == "desk"
    (span,) = resource.scope_spans[0].spans
    assert (span.name, span.trace_id.hex(), span.parent_span_id.hex()) == ("text_completion x", TRACE, CALLER)
