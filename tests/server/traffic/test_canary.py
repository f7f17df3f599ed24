"""A share of the clients meets another version, always the same clients, and nobody is told an error because of it."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copytree, move, rmtree
from typing import Any

import pytest

from tests.server.traffic.conftest import QUESTION, Desk
from whet.server.inference.bodies import WholeBody
from whet.server.traces.asking import Asking
from whet.server.traffic.sharing import meets, place_of
from whet.store import model_registry
from whet.store.model_registry import Trial
from whet.store.run import Run

USERS = [f"user-{number}" for number in range(8)]


class Chat(WholeBody):
    messages: list[dict[str, Any]]


def met(share: float, asking: Asking, words: str = "a", kind: Any = "canary", version: int = 2) -> bool:
    trial = Trial("t", kind, version, 1, share, "")
    return meets(trial, "desk", asking, Chat(messages=[{"role": "user", "content": words}]))


def client(name: str, project: str = "p") -> Asking:
    return Asking(project, "k", client=name)


def test_a_larger_share_only_adds_clients() -> None:
    clients = [client(f"c{number}") for number in range(2000)]
    before: set[str | None] = set()
    for share in (0.0, 0.05, 0.2, 0.5, 1.0):
        now = {one.client for one in clients if met(share, one)}
        assert before <= now and len(now) / 2000 == pytest.approx(share, abs=0.03)
        before = now
    assert len(before) == 2000


def test_each_version_and_project_has_clients_of_its_own() -> None:
    clients = [f"c{number}" for number in range(400)]
    first = {name for name in clients if met(0.5, client(name))}
    for others in (
        {n for n in clients if met(0.5, client(n), version=3)},
        {n for n in clients if met(0.5, client(n, "q"))},
    ):
        assert 60 < len(first & others) < 140
    assert 0 <= place_of("desk@2", "x") < 1


def test_who_is_not_named_is_told_by_the_conversation_and_never_compared() -> None:
    for one in (Asking("p", "k"), Asking("p", "k", conversation="c")):
        places = {met(0.5, one, words) for words in "abcdefgh"}
        assert len(places) == (1 if one.conversation else 2)
        assert not any(met(0.99, one, words, "ab") for words in "abcdefgh")
    assert met(1.0, client("x"), kind="ab")


def test_one_client_always_meets_one_version(desk: Desk) -> None:
    assert {desk.version(user) for user in USERS} == {1}
    desk.begin("canary", 0.5)
    versions = {user: desk.version(user) for user in USERS}
    assert set(versions.values()) == {1, 2}
    for given in ({"messages": [{"role": "user", "content": "Something else"}]}, {"n": 2}):
        assert {user: desk.version(user, **given) for user in USERS} == versions
    named = {user: desk.version(metadata={"user_id": user}) for user in USERS}
    assert named == versions, "by whatever key the client is named"

    desk.begin("canary", 0.8)
    grown = {user: desk.version(user) for user in USERS}
    assert all(grown[user] == 2 for user, version in versions.items() if version == 2) and grown != versions
    desk.end()
    assert {desk.version(user) for user in USERS} == {1}


@pytest.mark.parametrize(("share", "version"), [(0, 1), (1, 2)])
def test_nobody_or_everybody(desk: Desk, share: float, version: int) -> None:
    if model_registry.find_model(desk.name, desk.root).trial:
        desk.end()
    desk.begin("canary", share)
    assert {desk.version(user) for user in (*USERS[:4], None)} == {version}


def test_the_answer_tells_its_version_and_the_body_the_name_that_was_asked(desk: Desk) -> None:
    desk.begin("canary", 1.0)
    for stream in (False, True):
        answer = desk.ask("anna", stream=stream)
        assert answer.headers["x-whet-version"] == f"{desk.name}@2"
        first = answer.text.removeprefix("data: ").partition("\n")[0] if stream else answer.text
        assert json.loads(first)["model"] == desk.name
    told = desk.traces()
    assert [(one["version"], one["side"]) for one in told] == [("second", "new")] * 2
    assert told[0]["trial"] == model_registry.find_model(desk.name, desk.root).trial.id  # type: ignore[union-attr]
    assert desk.counted("version_requests", version="2") == 2 and desk.counted("version_requests", version="1") == 0
    listed = {one["id"]: one for one in desk.send("GET", "/models").json()["data"]}
    assert listed[desk.name]["traffic"] == {"kind": "canary", "version": 2, "share": 1.0, "live": 1}
    assert "traffic" not in listed["nano"]


def test_other_paths_are_shared_alike(desk: Desk) -> None:
    desk.begin("canary", 1.0)
    for path, body in (
        ("/completions", {"prompt": "Once", "max_tokens": 2}),
        ("/responses", {"input": "Hello", "max_output_tokens": 2}),
    ):
        answer = desk.send("POST", path, json={"model": desk.name, "user": "anna"} | body)
        assert answer.headers["x-whet-version"] == f"{desk.name}@2", answer.text


def test_who_names_a_version_gets_it(desk: Desk) -> None:
    desk.begin("canary", 1.0)
    assert desk.version("anna", model=f"{desk.name}@1") == 1
    desk.begin("canary", 0.0)
    assert desk.version("anna", model=f"{desk.name}@2") == 2
    assert [one["side"] for one in desk.traces(model=f"{desk.name}@2")] == [None]


@pytest.mark.parametrize("desk", ["aliased"], indirect=True)
def test_an_alias_means_the_same(desk: Desk) -> None:
    desk.begin("canary", 1.0)
    answer = desk.ask("anna", model="gpt-4o-mini")
    assert answer.headers["x-whet-version"] == "aliased@2" and answer.json()["model"] == "gpt-4o-mini"


def gone(folder: Path) -> None:
    rmtree(folder)


def other_weights(folder: Path) -> None:
    """Another sound model in its place."""
    rmtree(folder / "model")
    copytree(folder.parent / "first" / "model", folder / "model")


def damaged(folder: Path) -> None:
    path = folder / "model" / "adapter_model.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "reason"), [(gone, "run_gone"), (other_weights, "run_gone"), (damaged, "model_not_proved")]
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_the_canary_cannot_answer_the_live_version_does(desk: Desk, spoil: Any, reason: str, stream: bool) -> None:
    third, before = desk.root / f"third-{spoil.__name__}-{stream}", desk.counted("version_requests", version="1")
    copytree(desk.root / "second", third)
    version = model_registry.register(desk.name, Run(third), {}, desk.root)
    desk.begin("canary", 1.0, version)
    spoil(third)

    for _ in range(2):
        answer = desk.ask("anna", stream=stream)
        assert (answer.status_code, answer.headers["x-whet-version"]) == (200, f"{desk.name}@1"), answer.text
    assert desk.counted("tried_version_failures", version=str(version), reason=reason) == 2
    assert desk.counted("version_requests", version="1") == before + 2
    trial = model_registry.find_model(desk.name, desk.root).trial
    told = [(one["version"], one["side"], one["error"]) for one in desk.traces() if one["trial"] == trial.id]  # type: ignore[union-attr]
    assert told == [("first", "instead", None)] * 2, "and there is one trace of each"
    desk.end()


def test_what_nobody_could_answer_is_not_the_fault_of_the_canary(desk: Desk) -> None:
    desk.begin("canary", 1.0)
    answer = desk.ask("anna", messages=[{"role": "user", "content": "heron " * 5000}])
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "context_length_exceeded"
    assert desk.counted("tried_version_failures", version="2", reason="context_length_exceeded") == 0
    assert [one["side"] for one in desk.traces()] == ["instead"]


def test_an_answer_ends_on_the_version_that_began_it(desk: Desk) -> None:
    """Promoted and rolled back while it is written; who asks next meets what is live by then."""
    endless = {str(token): -100 for token in desk.served.service.answering.hosts.wordings.of_base("nano").stop_ids}
    given: Any = {"model": desk.name, "messages": QUESTION, "max_tokens": 120, "logit_bias": endless, "user": "anna"}
    desk.begin("canary", 1.0)
    stream = desk.served.client(desk.key).chat.completions.create(**given, stream=True)
    first = next(iter(stream))
    model_registry.promote(desk.name, 2, desk.root)
    assert desk.version("anna") == 2 and model_registry.find_model(desk.name, desk.root).trial is None
    model_registry.roll_back(desk.name, desk.root)
    assert desk.version("anna") == 1
    move(desk.root / "second", desk.root / "away")
    try:
        rest = list(stream)
    finally:
        move(desk.root / "away", desk.root / "second")
    assert {chunk.system_fingerprint for chunk in rest} == {first.system_fingerprint}
    assert rest[-1].choices[0].finish_reason == "length"
    assert [one["version"] for one in desk.traces() if one["id"] == first.id] == ["second"]
