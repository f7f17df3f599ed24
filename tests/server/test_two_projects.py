"""Two keys never see each other's things: every route of the API is walked with the other's ids."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from whet.server.application import create_app
from whet.server.database.tables import checkpoints
from whet.server.database.tuned_models import add_model
from whet.server.settings import Settings

ROW = {"messages": [{"role": "user", "content": "Where is it?"}, {"role": "assistant", "content": "Here."}]}
KINDS = {"file_id": "file", "job_id": "job", "name": "model", "vector_store_id": "store", "trace_id": "trace"}
"""Parameters of paths, and what of ours they may name."""
NOBODYS = {
    "file": "file-nobodys",
    "job": "ftjob-nobodys",
    "model": "ft:nano:default:x:nobodys",
    "store": "vs_nobodys",
    "trace": "chatcmpl-nobodys",
}
BODIES = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "hi"}]},
    "/v1/completions": {"prompt": "hi"},
    "/v1/responses": {"input": "hi"},
    "/v1/embeddings": {"input": "hi"},
    "/v1/classify": {"input": "hi"},
    "/v1/moderations": {"input": "hi"},
}
"""Paths that are asked with a model's name."""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    app = create_app(Settings(home=tmp_path_factory.mktemp("service"), workers=0))
    with TestClient(app, raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture(scope="module")
def other(client: TestClient) -> dict[str, str]:
    return headers_of(client, "theirs")


@pytest.fixture(scope="module")
def ours(client: TestClient) -> dict[str, str]:
    """The id of one thing of each kind, made by the project "ours"."""
    mine = headers_of(client, "ours")
    content = (json.dumps(ROW) + "\n") * 12
    upload = {"file": ("ours.jsonl", content.encode()), "purpose": (None, "fine-tune")}
    file = good(client.post("/v1/files", files=upload, headers=mine))["id"]
    job = good(client.post("/v1/fine_tuning/jobs", json={"model": "nano", "training_file": file}, headers=mine))["id"]
    note = {"file": ("ours.txt", b"The harbour opens at nine."), "purpose": (None, "assistants")}
    document = good(client.post("/v1/files", files=note, headers=mine))["id"]
    store = good(client.post("/v1/vector_stores", json={"name": "ours", "file_ids": [document]}, headers=mine))["id"]
    chat = {"model": "nano", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1, "user": "ours-user"}
    trace = good(client.post("/v1/chat/completions", json=chat, headers=mine))["id"]
    return {"file": file, "job": job, "store": store, "model": model_of(client, job), "trace": trace}


def model_of(client: TestClient, job: str) -> str:
    """A model and a checkpoint of the job, as if it had run."""
    service = client.app.state.service  # type: ignore[attr-defined]
    project = next(key.project for key in service.keys.listed() if key.project_name == "ours")
    name = "ft:nano:ours:x:abc"
    point = {"id": "ckpt_x", "job": job, "step": 1, "model": f"{name}:ckpt-step-1", "folder": "x", "metrics": {}}
    with service.database.write() as connection:
        add_model(connection, name, project, "nano", Path("runs/x/model"), 1.0, job)
        connection.execute(checkpoints.insert().values(point | {"created_at": 1.0}))
    return name


def headers_of(client: TestClient, project: str) -> dict[str, str]:
    _, secret = client.app.state.service.keys.create("k", project, ["infer", "train", "admin"])  # type: ignore[attr-defined]
    return {"authorization": f"Bearer {secret}"}


def good(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return answer.json()


def routes(client: TestClient) -> list[tuple[str, str, list[str]]]:
    """(method, path, its parameters) of everything that the API describes."""
    found = []
    for path, methods in client.app.openapi()["paths"].items():  # type: ignore[attr-defined]
        for method in methods:
            found.append((method.upper(), path, re.findall(r"\{(\w+)\}", path)))
    return found


def told(answer: Any, ids: dict[str, str]) -> tuple[int, str]:
    """What is answered, without the ids that were asked for."""
    text = answer.text
    for name in ids.values():
        text = text.replace(name, "ID")
    return answer.status_code, text


def test_what_is_somebody_elses_is_answered_as_what_is_not_there(
    client: TestClient, ours: dict[str, str], other: dict[str, str]
) -> None:
    walked = 0
    for method, path, names in routes(client):
        if not names:
            continue
        assert set(names) <= set(KINDS), f"{path}: say in KINDS what it names"
        asked = {}
        for whose, ids in (("ours", ours), ("nobodys", NOBODYS)):
            url = path
            for name in names:
                url = url.replace(f"{{{name}}}", ids[KINDS[name]])
            known = {"query": "harbour", "name": "x", "file_id": ids["file"], "kind": "canary", "version": 1}
            body = known if method == "POST" else None
            body = {key: value for key, value in (body or {}).items() if key in fields_of(client, path)} or None
            asked[whose] = told(client.request(method, url, json=body, headers=other), ids)
        assert asked["ours"] == asked["nobodys"] and asked["ours"][0] == 404, f"{method} {path}: {asked}"
        walked += 1
    assert walked >= 18


def fields_of(client: TestClient, path: str) -> set[str]:
    """Keys that a POST to this path describes."""
    api = client.app.openapi()  # type: ignore[attr-defined]
    content = api["paths"][path].get("post", {}).get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    reference = schema.get("$ref", "").rpartition("/")[2]
    return set((api.get("components", {}).get("schemas", {}).get(reference) or schema).get("properties", {}))


@pytest.mark.parametrize("path", BODIES)
def test_somebody_elses_model_does_not_answer(
    client: TestClient, ours: dict[str, str], other: dict[str, str], path: str
) -> None:
    asked = {}
    for whose, ids in (("ours", ours), ("nobodys", NOBODYS)):
        for name in (ids["model"], ids["model"] + ":ckpt-step-1"):
            answer = client.post(path, json=BODIES[path] | {"model": name}, headers=other)
            asked[whose, name[-5:] == "tep-1"] = told(answer, ids)
    assert len(set(asked.values())) <= 2 and asked["ours", True] == asked["nobodys", True], asked
    assert asked["ours", False] == asked["nobodys", False] and asked["ours", False][0] == 404, asked


def test_bodies_that_name_somebody_elses_things_find_nothing(
    client: TestClient, ours: dict[str, str], other: dict[str, str]
) -> None:
    asked: dict[str, list[tuple[int, str]]] = {}
    for whose, ids in (("ours", ours), ("nobodys", NOBODYS)):
        job = {"model": "nano", "training_file": ids["file"]}
        bodies = [
            ("/v1/fine_tuning/jobs", job),
            ("/v1/fine_tuning/jobs/estimate", job),
            ("/v1/fine_tuning/jobs", {"model": ids["model"], "training_file": ids["file"]}),
            ("/v1/vector_stores", {"name": "x", "file_ids": [ids["file"]]}),
            ("/v1/feedback", {"id": ids["trace"], "good": True}),
        ]
        asked[whose] = [told(client.post(path, json=body, headers=other), ids) for path, body in bodies]
    assert asked["ours"] == asked["nobodys"]
    assert all(400 <= status < 500 for status, _ in asked["ours"]), asked["ours"]


def test_a_user_of_the_same_name_is_another_in_another_project(client: TestClient, ours: dict[str, str]) -> None:
    _, admin = client.app.state.service.keys.create("k", "theirs", ["admin"])  # type: ignore[attr-defined]
    answer = client.delete("/v1/traces?client=ours-user", headers={"authorization": f"Bearer {admin}"})
    assert good(answer)["traces"] == 0


def test_no_list_holds_what_is_somebody_elses(client: TestClient, ours: dict[str, str], other: dict[str, str]) -> None:
    listed = 0
    for method, path, names in routes(client):
        if method != "GET" or names or not path.startswith("/v1"):
            continue
        text = good_text(client.get(path, headers=other))
        assert not [name for name in ours.values() if name in text], path
        listed += 1
    assert listed >= 4


def good_text(answer: Any) -> str:
    assert answer.status_code == 200, answer.text
    return answer.text


def test_nothing_of_theirs_was_changed(client: TestClient, ours: dict[str, str]) -> None:
    """After all of the above, the owner finds everything as it was."""
    mine = headers_of(client, "ours")
    assert good(client.get(f"/v1/files/{ours['file']}", headers=mine))["filename"] == "ours.jsonl"
    assert good(client.get(f"/v1/fine_tuning/jobs/{ours['job']}", headers=mine))["status"] == "validating_files"
    assert good(client.get(f"/v1/vector_stores/{ours['store']}", headers=mine))["name"] == "ours"
    assert ours["model"] in good_text(client.get("/v1/models", headers=mine))
    trace = good(client.get(f"/v1/traces/{ours['trace']}", headers=mine))
    assert trace["client"] == "ours-user" and trace["feedback"] == []


def test_every_route_of_the_api_asks_for_a_key(client: TestClient) -> None:
    for method, path, _ in routes(client):
        status = client.request(method, re.sub(r"\{\w+\}", "x", path)).status_code
        assert status == (200 if path in ("/health", "/ready") else 401), f"{method} {path}"


def test_files_lie_below_the_home_alone(client: TestClient, ours: dict[str, str]) -> None:
    """Names that clients give never become paths."""
    mine = headers_of(client, "ours")
    home: Path = client.app.state.service.settings.home  # type: ignore[attr-defined]
    before = set(home.parent.rglob("*"))
    for name in (
        "../../escaped.jsonl",
        "/tmp/escaped.jsonl",
        "..\\escaped",
        "a\x00b",
        "con",
        "%2e%2e%2fescaped",
        "é" * 300,
    ):
        upload = {"file": (name, json.dumps(ROW).encode()), "purpose": (None, "fine-tune")}
        answer = client.post("/v1/files", files=upload, headers=mine)
        assert answer.status_code < 500, (name, answer.text)
    outside = [path for path in set(home.parent.rglob("*")) - before if home not in path.parents]
    assert not outside and not [path for path in home.rglob("*") if "escaped" in path.name]
