"""What every request passes: who asks, from where, and how much it sends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import Request
from fastapi.testclient import TestClient

from whet.server.access.gate import ENVELOPE
from whet.server.application import create_app
from whet.server.settings import Settings


def client_of(home: Path, **given: Any) -> TestClient:
    app = create_app(Settings(home=home, workers=0, **given))

    @app.post("/v1/echo")
    async def echo(request: Request) -> dict[str, Any]:
        caller = request.state.caller
        return {"bytes": len(await request.body()), "project": caller.project_name}

    @app.post("/v1/files")
    async def files(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    @app.get("/v1/broken")
    def broken() -> None:
        raise ValueError("a secret of the inside")

    app.router.routes.sort(key=lambda route: getattr(route, "name", "") not in ("echo", "files", "broken"))
    return TestClient(app, raise_server_exceptions=False)


def key_of(client: TestClient, scopes: list[str], project: str = "default", **limits: int) -> dict[str, str]:
    _, secret = client.app.state.service.keys.create("k", project, scopes, **limits)  # type: ignore[attr-defined]
    return {"authorization": f"Bearer {secret}"}


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[TestClient]:
    with client_of(tmp_path, most_json=1000, most_body=5000) as client:
        yield client


@pytest.fixture
def open_to_all(tmp_path: Path) -> Iterator[TestClient]:
    with client_of(tmp_path, auth=False) as client:
        yield client


def test_every_answer_has_a_name_and_openais_shape(guarded: TestClient) -> None:
    answer = guarded.get("/v1/echo")
    assert answer.status_code == 401 and answer.headers["x-request-id"].startswith("req_")
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}

    with_key = guarded.get("/nowhere", headers=key_of(guarded, ["infer"]))
    assert with_key.status_code == 404 and with_key.json()["error"]["code"] == "unknown_url"
    assert with_key.headers["x-request-id"] != answer.headers["x-request-id"]


def test_the_open_paths_need_no_key_and_no_other_is_open(guarded: TestClient) -> None:
    for path in ("/health", "/ready", "/docs", "/openapi.json", "/llms.txt"):
        assert guarded.get(path).status_code == 200, path
    for path in ("/metrics", "/v1/models", "/", "/docs/", "/health/x", "/HEALTH", "//health"):
        assert guarded.get(path).status_code == 401, path


def test_a_key_does_what_its_scopes_say(guarded: TestClient) -> None:
    assert guarded.get("/metrics", headers=key_of(guarded, ["infer", "train"])).status_code == 403
    numbers = guarded.get("/metrics", headers=key_of(guarded, ["admin"]))
    assert numbers.status_code == 200
    assert 'whet:http_requests_total{method="GET",route="/metrics",status="403"} 1.0' in numbers.text


def test_bodies_are_bounded_whether_they_say_their_length_or_not(guarded: TestClient) -> None:
    mine = key_of(guarded, ["infer"])

    def in_pieces() -> Iterator[bytes]:
        for _ in range(20):
            yield b"x" * 100

    assert guarded.post("/v1/echo", content=b"x" * 1000, headers=mine).json()["bytes"] == 1000
    assert guarded.post("/v1/echo", content=b"x" * 1001, headers=mine).status_code == 413
    assert guarded.post("/v1/echo", content=in_pieces(), headers=mine).status_code == 413
    most = 5000 + ENVELOPE
    assert guarded.post("/v1/files", content=b"x" * most, headers=mine).json()["bytes"] == most
    assert guarded.post("/v1/files", content=b"x" * (most + 1), headers=mine).status_code == 413


def test_a_key_that_asks_too_much_is_told_when_to_come_again(guarded: TestClient) -> None:
    mine = key_of(guarded, ["infer"], requests_per_minute=2)
    first = guarded.post("/v1/echo", headers=mine)
    assert first.headers["x-ratelimit-remaining-requests"] == "1"
    guarded.post("/v1/echo", headers=mine)

    refused = guarded.post("/v1/echo", headers=mine)
    assert refused.status_code == 429 and int(refused.headers["retry-after"]) >= 1
    assert guarded.post("/v1/echo", headers=key_of(guarded, ["infer"])).status_code == 200


def test_what_breaks_inside_stays_inside(guarded: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    answer = guarded.get("/v1/broken", headers=key_of(guarded, ["infer"]))
    assert answer.status_code == 500 and answer.json()["error"]["code"] == "internal_error"
    assert "secret" not in answer.text and "Traceback" not in answer.text
    assert "a secret of the inside" in caplog.text


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "[", "169.254.1.1"]
)
def test_without_keys_a_name_that_leads_here_from_elsewhere_is_refused(open_to_all: TestClient, host: str) -> None:
    answer = open_to_all.post("/v1/echo", headers={"host": host})
    assert answer.status_code == 421, answer.text


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example"])
def test_without_keys_a_page_of_another_origin_is_refused(open_to_all: TestClient, origin: str) -> None:
    assert open_to_all.post("/v1/echo", headers={"origin": origin}).status_code == 403


@pytest.mark.parametrize("headers", [{}, {"host": "localhost:8000"}, {"origin": "http://127.0.0.1:3000"}])
def test_without_keys_this_machine_is_the_project_default(open_to_all: TestClient, headers: dict[str, str]) -> None:
    assert open_to_all.post("/v1/echo", headers=headers).json()["project"] == "default"


def test_the_page_of_the_api_asks_nobody_else(guarded: TestClient) -> None:
    page = guarded.get("/docs").text
    assert "/v1" in page and "<script" not in page
    assert "http://" not in page.replace("http://testserver/v1", "") and "https://" not in page


def test_a_body_that_stops_coming_is_let_go(tmp_path: Path) -> None:
    """A client that promises a body and sends none would hold a place for ever."""
    client = client_of(tmp_path, body_seconds=0.2, auth=False)
    sent: list[Any] = []

    async def silence() -> Any:
        await asyncio.sleep(60)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-length", b"100")]
    scope = {"type": "http", "method": "POST", "path": "/v1/echo", "headers": headers, "query_string": b""}
    scope |= {"raw_path": b"/v1/echo", "http_version": "1.1", "scheme": "http", "server": ("localhost", 80)}
    asyncio.run(asyncio.wait_for(client.app(scope, silence, send), 10))
    assert sent[0]["status"] == 408
