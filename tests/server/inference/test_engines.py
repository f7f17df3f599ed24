"""Answers that another server writes: another `whet serve`, llama.cpp's own server, and servers that misbehave."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from tests import chat_server
from tests.server.inference.conftest import TUNED
from tests.server.inference.conftest import Served as Upstream
from tests.server.serving import Served
from tests.server.serving import served as front_of
from whet.errors import InputError
from whet.model.base import NANO
from whet.release.consumers.llama_cpp import LlamaCpp, open_consumer
from whet.release.consumers.protocol import Served as Opened
from whet.release.gguf.write import GgufSource, write_gguf
from whet.server.application import create_app
from whet.server.settings import Settings

KEY = "WHET_TEST_ENGINE_KEY"
ASK: dict[str, Any] = {
    "model": "nano", "messages": [{"role": "user", "content": "Where is order 48213?"}],
    "temperature": 0, "max_tokens": 8,
}  # fmt: skip


@pytest.fixture(scope="module")
def front(served_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with front_of(tmp_path_factory.mktemp("front"), engine=served_upstream.url, engine_key=KEY) as found:
        yield found


@pytest.fixture(scope="module")
def served_upstream(request: pytest.FixtureRequest) -> Iterator[Upstream]:
    upstream: Upstream = request.getfixturevalue("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY, upstream.key)
        yield upstream


def test_an_answer_is_the_engines_in_our_own_shape(front: Served, served_upstream: Upstream) -> None:
    more = {"n": 2, "logprobs": True, "top_logprobs": 2}
    wanted = served_upstream.client().chat.completions.create(**ASK, **more)
    found = front.client().chat.completions.create(**ASK, **more)
    assert found.choices == wanted.choices and len(found.choices) == 2
    assert found.usage == wanted.usage and found.model == "nano"
    assert found.id != wanted.id and found.system_fingerprint != wanted.system_fingerprint


def test_a_stream_is_passed_on_chunk_by_chunk(front: Served, served_upstream: Upstream) -> None:
    ask = ASK | {"stream": True, "stream_options": {"include_usage": True}}
    wanted = list(served_upstream.client().chat.completions.create(**ask))
    found = list(front.client().chat.completions.create(**ask))
    assert [chunk.choices for chunk in found] == [chunk.choices for chunk in wanted] and len(found) > 5
    assert found[-1].usage == wanted[-1].usage


def test_a_tool_is_called_and_a_schema_is_held_to(front: Served) -> None:
    tool = {"type": "function", "function": {"name": "find_order", "parameters": {"type": "object"}}}
    ask = ASK | {"tools": [tool], "tool_choice": "required", "max_tokens": 60}
    (choice,) = front.client().chat.completions.create(**ask).choices
    assert choice.finish_reason == "tool_calls" and choice.message.tool_calls[0].function.name == "find_order"

    schema = {"type": "object", "properties": {"n": {"enum": [1, 2]}}, "required": ["n"], "additionalProperties": False}
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    (choice,) = front.client().chat.completions.create(**ASK | {"response_format": form, "max_tokens": 60}).choices
    assert json.loads(choice.message.content)["n"] in (1, 2)


def test_responses_and_completions_are_the_engines_too(front: Served, served_upstream: Upstream) -> None:
    ask: dict[str, Any] = {"model": "nano", "input": "Where is order 48213?", "temperature": 0, "max_output_tokens": 8}
    found, wanted = (one.client().responses.create(**ask) for one in (front, served_upstream))
    assert found.output_text == wanted.output_text and found.usage == wanted.usage
    ask = {"model": "nano", "prompt": ["The order", "A parcel"], "temperature": 0, "max_tokens": 5, "n": 2}
    found, wanted = (one.client().completions.create(**ask) for one in (front, served_upstream))
    assert found.choices == wanted.choices and len(found.choices) == 4 and found.usage == wanted.usage
    streamed = ["", "", "", ""]
    for chunk in front.client(strict=False).completions.create(**ask, stream=True):
        streamed[chunk.choices[0].index] += chunk.choices[0].text
    assert streamed == [choice.text for choice in wanted.choices]


@pytest.mark.parametrize(
    ("path", "more", "param"),
    [
        ("chat", {"reasoning_effort": "low"}, "reasoning_effort"), ("chat", {"tempratur": 1}, "tempratur"),
        ("chat", {"top_logprobs": 2}, "top_logprobs"), ("chat", {"documents": {"store": "vs_1"}}, "documents"),
        ("chat", {"messages": []}, "messages"), ("chat", {"logit_bias": {"x": 1}}, "logit_bias"),
        ("text", {"echo": True}, "echo"), ("text", {"logprobs": 1}, "logprobs"), ("text", {"suffix": "x"}, "suffix"),
        ("text", {"max_tokens": 0}, "max_tokens"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_by_name(front: Served, path: str, more: dict[str, Any], param: str) -> None:
    place, body = ("/chat/completions", ASK) if path == "chat" else ("/completions", {"model": "nano", "prompt": "a"})
    answer = httpx2.post(front.url + place, json=body | more, timeout=60)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), answer.text


def test_a_model_that_neither_knows_is_not_found(front: Served) -> None:
    with pytest.raises(openai.NotFoundError):
        front.client().chat.completions.create(**ASK | {"model": "gpt-4o-mini"})


def test_a_client_that_leaves_frees_the_engine(front: Served, served_upstream: Upstream) -> None:
    ask = ASK | {"stream": True, "max_tokens": 900, "logit_bias": {"1": -100}}
    hosts = served_upstream.service.answering.hosts.held
    with (
        httpx2.Client(base_url=front.url, timeout=60) as client,
        client.stream("POST", "/chat/completions", json=ask) as answer,
    ):
        lines = answer.iter_lines()  # which ends the answer when nobody holds it
        assert '"content"' in next(lines)
        _until(lambda: any(host.running for host in hosts.values()))
    began = time.monotonic()
    _until(lambda: all(host.idle for host in hosts.values()) and front.service.answering.engine.inside == 0)
    assert time.monotonic() - began < 3.0, "900 tokens would take longer"


def test_more_requests_than_may_wait_are_refused(served_upstream: Upstream, tmp_path: Path) -> None:
    few = {"engine": served_upstream.url, "engine_key": KEY, "slots": 1, "most_waiting": 0}
    with front_of(tmp_path, **few) as front:
        long = ASK | {"stream": True, "max_tokens": 900, "logit_bias": {"1": -100}}
        with httpx2.stream("POST", f"{front.url}/chat/completions", json=long, timeout=60) as answer:
            lines = answer.iter_lines()  # which ends the answer when nobody holds it
            assert '"content"' in next(lines)
            refused = httpx2.post(f"{front.url}/chat/completions", json=ASK, timeout=60)
        assert (refused.status_code, refused.headers.get("retry-after")) == (429, "1"), refused.text


def test_a_name_of_the_engines_own_is_listed_and_asked(served_upstream: Upstream, tmp_path: Path) -> None:
    own = {"engine": served_upstream.url, "engine_key": KEY, "models": (), "engine_models": {"small": "gpt-4o-mini"}}
    with front_of(tmp_path, **own) as front:
        assert [model.id for model in front.client().models.list()] == ["small"]
        assert front.client().chat.completions.create(**ASK | {"model": "small"}).model == "small"


def test_what_the_engine_reads_and_writes_is_counted(front: Served) -> None:
    numbers = front.service.metrics
    read, written = (one.labels("nano")._value for one in (numbers.prompt_tokens, numbers.written_tokens))
    before = read.get(), written.get()
    usage = front.client().chat.completions.create(**ASK, n=2).usage
    assert (read.get() - before[0], written.get() - before[1]) == (usage.prompt_tokens, usage.completion_tokens)


def test_a_tuned_model_of_the_engine_is_proved_there(served_upstream: Upstream, tmp_path: Path, tuned_run: Any) -> None:
    name = str(tuned_run.folder)
    own = tuned_run.name
    sound = {"engine": served_upstream.url, "engine_key": KEY, "models": (name,)}
    with front_of(tmp_path / "sound", **sound, engine_models={own: TUNED}) as front:
        found = front.client().chat.completions.create(**ASK | {"model": own})
        wanted = served_upstream.client().chat.completions.create(**ASK | {"model": TUNED})
        assert found.choices == wanted.choices
    with front_of(tmp_path / "none", **sound) as front:
        _not_served(front, own, "model_not_loaded", "whet is sent no adapters")


# ---- servers that misbehave


class Odd(BaseHTTPRequestHandler):
    """Lists a model, and answers as the test says."""

    reply: tuple[int, str, bytes] = (200, "", b"")
    asked: list[tuple[str, str]] = []

    def do_GET(self) -> None:
        self.answer(200, "application/json", json.dumps({"data": [{"id": "nano", "owned_by": "someone"}]}).encode())

    def do_POST(self) -> None:
        Odd.asked.append((self.path, self.headers.get("Authorization", "")))
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(*Odd.reply)

    def answer(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if status == 302:
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: Any) -> None: ...


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    http = chat_server.in_a_thread(Odd)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY, "sk-secret-4711")
        with front_of(tmp_path_factory.mktemp("odd"), engine=chat_server.url_of(http), engine_key=KEY) as front:
            yield front
    http.shutdown()
    http.server_close()


def _event(**more: Any) -> bytes:
    return b"data: " + json.dumps(more).encode() + b"\n\n"


WORD = _event(choices=[{"index": 0, "delta": {"content": "Hello"}}])
END = _event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
USED = _event(choices=[], usage={"prompt_tokens": 3, "completion_tokens": 2})
DONE = b"data: [DONE]\n\n"
SSE = "text/event-stream"


@pytest.mark.parametrize(
    ("reply", "status", "word"),
    [
        ((200, "text/html", b"<html>Welcome</html>"), 502, "no stream"),
        ((200, SSE, WORD), 502, "broke off"),
        ((200, SSE, WORD + END + DONE), 502, "how many tokens"),
        ((200, SSE, WORD + USED + DONE), 502, "did not end"),
        ((200, SSE, _event(error={"message": "out of memory"})), 502, "out of memory"),
        ((200, SSE, _event(choices=[{"index": 7, "delta": {}}])), 502, "an answer 7"),
        ((200, SSE, _event(choices="Hello")), 502, "another shape"),
        ((200, SSE, b"data: {\n\n"), 502, "no JSON"),
        ((200, SSE, _event(choices=[{"index": 0, "delta": {}, "finish_reason": "abort"}])), 502, "'abort'"),
        ((302, "text/html", b"moved"), 502, "302"),
        ((401, "application/json", b'{"error": {"message": "no key sk-secret-4711"}}'), 502, "does not take"),
        ((500, "text/plain", b"Traceback: key sk-secret-4711"), 502, "500"),
        ((404, "application/json", b'{"detail": "Not Found"}'), 502, "Not Found"),
        ((503, "text/plain", b"loading sk-secret-4711"), 503, "loading"),
        ((429, "text/plain", b"slow down"), 429, "slow down"),
        ((400, "application/json", b'{"error": {"message": "bad top_p", "param": "top_p"}}'), 400, "bad top_p"),
        ((400, "application/json", b'{"error": {"message": "maximum context length is 9"}}'), 400, "context length"),
        ((422, "application/json", b'{"detail": [{"msg": "sk-secret-4711 is no word"}]}'), 400, "is no word"),
    ],
)
def test_what_goes_wrong_in_the_engine_is_told_without_its_key(
    odd: Served, reply: tuple[int, str, bytes], status: int, word: str, caplog: pytest.LogCaptureFixture
) -> None:
    Odd.reply, Odd.asked = reply, []
    with pytest.raises(openai.APIStatusError) as told:
        odd.client().chat.completions.create(**ASK)
    assert told.value.status_code == status and word in str(told.value), told.value
    assert Odd.asked == [("/v1/chat/completions", "Bearer sk-secret-4711")], "asked once, and nowhere else"
    assert "sk-secret" not in str(told.value) + caplog.text
    if word == "context length":
        assert told.value.code == "context_length_exceeded"
    if word == "bad top_p":
        assert told.value.param == "top_p"


def test_an_engine_that_is_away_is_busy_and_comes_back(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    with front_of(tmp_path, engine=f"http://127.0.0.1:{port}/v1") as front:
        with pytest.raises(openai.InternalServerError) as told:
            front.client().chat.completions.create(**ASK)
        assert (told.value.status_code, told.value.code) == (503, "engine_unreachable")
        assert int(told.value.response.headers["retry-after"]) > 0
        assert str(port) not in str(told.value), "where the engine is concerns no client"

        Odd.reply = (200, SSE, WORD + END + USED + DONE)
        http = ThreadingHTTPServer(("127.0.0.1", port), Odd)
        threading.Thread(target=http.serve_forever, daemon=True).start()
        assert front.client().chat.completions.create(**ASK).choices[0].message.content == "Hello"
        http.shutdown()
        http.server_close()


def test_an_error_in_the_midst_of_a_stream_is_an_event(odd: Served) -> None:
    Odd.reply = (200, SSE, WORD + _event(error={"message": "out of memory"}))
    stream = odd.client().chat.completions.create(**ASK, stream=True)
    texts = []
    with pytest.raises(openai.APIError, match="out of memory"):
        for chunk in stream:
            texts.append(chunk.choices[0].delta.content)
    assert "Hello" in texts


def test_thoughts_beside_an_answer_are_passed_on(odd: Served) -> None:
    thought = _event(choices=[{"index": 0, "delta": {"reasoning_content": "Hm."}}])
    Odd.reply = (200, SSE, thought + WORD + END + USED + DONE)
    answer = odd.client(strict=False).chat.completions.create(**ASK)
    assert answer.choices[0].message.content == "Hello" and answer.choices[0].message.reasoning_content == "Hm."
    assert answer.usage.completion_tokens == 2


def test_an_engine_that_takes_too_long_is_left(tmp_path: Path) -> None:
    class Silent(Odd):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(WORD)
            self.wfile.flush()
            self.connection.settimeout(10)
            self.connection.recv(1)  # until the service hangs up

    http = chat_server.in_a_thread(Silent)
    with front_of(tmp_path, engine=chat_server.url_of(http), request_seconds=0.5) as front:
        with pytest.raises(openai.APIStatusError) as told:
            front.client().chat.completions.create(**ASK)
    assert (told.value.status_code, told.value.code) == (504, "timeout")
    http.shutdown()
    http.server_close()


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"engine": "ftp://host/v1"}, "no URL"), ({"engine": "http://user:word@host/v1"}, "no key and no password"),
        ({"engine": "http://host/v1", "engine_kind": "vlm"}, "vllm"),
        ({"engine": "http://host/v1", "engine_key": "WHET_TEST_NO_SUCH_KEY"}, "not set"),
    ],
)  # fmt: skip
def test_what_is_no_engine_is_refused_at_the_start(tmp_path: Path, more: dict[str, str], word: str) -> None:
    with pytest.raises(InputError) as told:
        create_app(Settings(tmp_path, auth=False, **more))
    assert word in str(told.value) and "user:word" not in str(told.value)


# ---- llama.cpp's own server


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """(URL, the name of its model) of nano in llama.cpp."""
    folder = tmp_path_factory.mktemp("gguf")
    write_gguf(GgufSource(NANO, [1], "nano"), "f32", folder / "nano.gguf")
    consumer: LlamaCpp = open_consumer(Opened(folder=folder, main="nano.gguf"))
    yield f"http://{consumer.connection.host}:{consumer.connection.port}/v1", str(folder / "nano.gguf")
    consumer.close()


def test_llama_cpp_answers_as_it_is(llama: tuple[str, str], served_upstream: Upstream, tmp_path: Path) -> None:
    url, name = llama
    with front_of(tmp_path, engine=url, engine_models={"nano": name}) as front:
        client = front.client()
        wanted = served_upstream.client().chat.completions.create(**ASK)
        found = client.chat.completions.create(**ASK, logprobs=True, top_logprobs=3)
        assert found.choices[0].message.content == wanted.choices[0].message.content
        assert found.usage.completion_tokens == wanted.usage.completion_tokens
        assert len(found.choices[0].logprobs.content[0].top_logprobs) == 3

        warm = ASK | {"temperature": 1.0, "seed": 5, "max_tokens": 40}
        assert client.chat.completions.create(**warm).choices == client.chat.completions.create(**warm).choices
        for more, code in ({"n": 2}, "engine_refused"), ({"seed": -1}, "invalid_value"):
            with pytest.raises(openai.BadRequestError) as told:
                client.chat.completions.create(**ASK | more)
            assert told.value.code == code
        with pytest.raises(openai.BadRequestError) as told:
            client.chat.completions.create(**ASK | {"messages": [{"role": "user", "content": "a " * 3000}]})
        assert told.value.code == "context_length_exceeded"


def test_a_model_that_the_engine_does_not_list_is_not_asked_for(llama: tuple[str, str], tmp_path: Path) -> None:
    """llama.cpp's server answers whatever name it is asked by."""
    with front_of(tmp_path, engine=llama[0]) as front:
        _not_served(front, "nano", "model_not_loaded", "no model 'nano'")


def _not_served(front: Served, model: str, code: str, word: str) -> None:
    with pytest.raises(openai.InternalServerError) as told:
        front.client().chat.completions.create(**ASK | {"model": model})
    assert (told.value.status_code, told.value.code) == (503, code) and word in str(told.value), told.value
    assert told.value.response.headers["x-should-retry"] == "false"


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)


def test_an_engines_answer_is_traced_with_its_numbers(front: Served) -> None:
    answer = front.client().chat.completions.create(**ASK)
    found: dict[str, Any] = {}

    def written() -> bool:
        told = httpx2.get(f"{front.url}/traces/{answer.id}", timeout=60)
        found.update(told.json())
        return told.status_code == 200

    _until(written)
    assert (found["model"], found["finish_reason"]) == ("nano", answer.choices[0].finish_reason)
    usage = answer.usage
    assert usage is not None
    assert (found["prompt_tokens"], found["answer_tokens"]) == (usage.prompt_tokens, usage.completion_tokens)
