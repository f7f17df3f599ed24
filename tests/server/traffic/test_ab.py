"""An A/B test of a service, begun, looked at and ended over HTTP; feedback decides it, each client once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select

from tests.server.traffic.conftest import Desk
from whet.cli.main import run as command
from whet.server.database.tables import audit
from whet.store import model_registry


def say(desk: Desk, trace: str, good: bool) -> None:
    assert desk.send("POST", "/feedback", json={"id": trace, "good": good}).status_code == 200


def test_it_is_begun_looked_at_and_ended_by_an_administrator(desk: Desk) -> None:
    path, body = f"/traffic/{desk.name}", {"kind": "ab", "version": 2}
    for method, where in (("GET", path), ("POST", path), ("DELETE", path), ("GET", "/traffic")):
        refused = desk.send(method, where, json=body if method == "POST" else None)
        assert refused.status_code == 403 and refused.json()["error"]["code"] == "insufficient_scope"

    begun = desk.send("POST", path, desk.admin, json=body)
    assert begun.status_code == 200, begun.text
    told = begun.json()
    assert (told["model"], told["trial"]["kind"], told["trial"]["share"], told["word"]) == (
        desk.name,
        "ab",
        0.5,
        "go on",
    )
    listed = desk.send("GET", "/traffic", desk.admin).json()["data"]
    assert [one["version"] for one in listed if one["model"] == desk.name] == [2]
    ended = desk.send("DELETE", path, desk.admin)
    assert ended.json()["ended"]["id"] == told["trial"]["id"]
    assert desk.send("GET", path, desk.admin).json() == {
        "object": "traffic", "model": desk.name, "current": 1, "trial": None
    }  # fmt: skip
    assert desk.send("DELETE", path, desk.admin).status_code == 400

    with desk.served.service.database.read() as connection:
        rows = connection.execute(select(audit).where(audit.c.what == f"{desk.name}@2").order_by(audit.c.number)).all()
    assert [row.act for row in rows] == ["traffic.begun", "traffic.ended"]
    assert rows[0].facts["kind"] == "ab" and rows[0].facts["by"].startswith("key_")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"kind": "canary", "version": 2, "share": 20}, "for 20% give 0.2"),
        ({"kind": "canary", "version": 1}, "is the live version itself"),
        ({"kind": "canary", "version": 99}, "has no version 99"),
        ({"kind": "bandit", "version": 2}, "kind"),
        ({"kind": "ab", "version": 2, "seed": 1}, "seed"),
        ({"kind": "ab", "version": 2, "share": 1.0}, "needs clients of both"),
    ],
)
def test_what_cannot_be_tried_is_refused(desk: Desk, body: dict[str, Any], words: str) -> None:
    answer = desk.send("POST", f"/traffic/{desk.name}", desk.admin, json=body)
    assert answer.status_code == 400 and words in answer.json()["error"]["message"]
    assert str(desk.root) not in answer.text
    assert model_registry.find_model(desk.name, desk.root).trial is None


def test_only_named_models_have_versions(desk: Desk) -> None:
    body = {"kind": "canary", "version": 2}
    for name, status in (("nano", 400), (f"{desk.name}@2", 400), ("nobody", 404)):
        assert desk.send("POST", f"/traffic/{name}", desk.admin, json=body).status_code == status


def test_a_rollback_goes_back_and_ends_what_was_tried(desk: Desk) -> None:
    path = f"/traffic/{desk.name}"
    model_registry.promote(desk.name, 2, desk.root)
    desk.begin("canary", 1.0, version=1)
    assert desk.version("anna") == 1
    done = desk.send("POST", f"{path}/roll_back", desk.admin).json()
    assert (done["live"], done["was"]) == (1, 2) and desk.version("anna") == 1
    assert desk.send("GET", path, desk.admin).json()["trial"] is None
    again = desk.send("POST", f"{path}/roll_back", desk.admin)
    assert again.status_code == 400 and "no earlier promoted version" in again.text


def test_feedback_decides_and_a_loud_client_does_not(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.begin("ab")
    for _ in range(4):
        assert desk.version() == 1, "who is not named meets the live version"
    unnamed = desk.ask().json()["id"]
    say(desk, unnamed, False)

    clients: dict[int, list[str]] = {1: [], 2: []}
    number = 0
    while min(map(len, clients.values())) < 12:
        answer = desk.ask(f"c{number}")
        clients[int(answer.headers["x-whet-version"][-1])].append(answer.json()["id"])
        number += 1

    for _ in range(15):
        say(desk, clients[2][0], False)
    loud = desk.ask("c0")
    for _ in range(15):
        say(desk, loud.json()["id"], False)
    path = f"/traffic/{desk.name}"
    state = desk.send("GET", path, desk.admin).json()
    assert state["word"] == "go on" and state["feedback"]["counted"] <= 2 and state["feedback"]["no_client"] == 1
    assert "user" not in state["to_do"] and state["comparison"]["capital"] < 20
    assert state["sides"]["live"]["unnamed"] == 5 and state["sides"]["new"]["clients"] == len(clients[2])
    assert state["sides"]["live"]["version"] == 1 and state["sides"]["new"]["requests"] >= len(clients[2])

    for live, new in zip(clients[1], clients[2], strict=False):
        say(desk, live, True)
        say(desk, new, False)
    state = desk.send("GET", path, desk.admin).json()
    assert state["word"] == "worse" and state["to_do"] == f"end it: whet models end {desk.name}"
    assert command(["models", "traffic", desk.name, "--from", str(desk.home), "--runs", str(desk.root), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {key: state[key] for key in told if key != "name"} == {key: told[key] for key in told if key != "name"}
    assert command(["models", "traffic", desk.name, "--from", str(desk.home), "--runs", str(desk.root)]) == 0
    assert "result: worse" in capsys.readouterr().out
