"""A version that is asked the same, and whose answers nobody is told: they are kept apart, and nobody waits."""

from __future__ import annotations

import asyncio
from shutil import copytree, rmtree
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.server.traffic.conftest import QUESTION, Desk
from whet.errors import InputError
from whet.monitoring.logs.reading import ReadLog
from whet.monitoring.trace import Trace
from whet.server.inference.answering import Answering
from whet.server.metrics import Metrics
from whet.server.traces.opening import open_traces
from whet.server.traffic import shadowing
from whet.server.traffic.opening import open_seen
from whet.server.traffic.shadowing import Shadow, Shadows
from whet.store import model_registry
from whet.store.run import Run
from whet.verbs.monitor import of_model
from whet.verbs.versions.traffic import traffic


def test_its_answers_are_kept_beside_those_that_were_given(desk: Desk) -> None:
    desk.begin("shadow")
    answers = [desk.ask("anna", stream=stream) for stream in (False, True)]
    answers.append(desk.ask("ben", n=2))
    desk.settle()
    assert {answer.headers["x-whet-version"] for answer in answers} == {f"{desk.name}@1"}
    told, kept = desk.traces(), desk.traces(shadow=True)
    assert [(one["version"], one["side"], one["shadow_of"]) for one in told] == [("first", "live", None)] * 4
    assert {one["shadow_of"] for one in kept} == {one["id"] for one in told} and len(kept) == 4
    assert {(one["version"], one["side"]) for one in kept} == {("second", "shadow")}
    assert kept[0]["messages"] == QUESTION and kept[0]["answer"] and kept[0]["client"] == "anna"
    assert desk.counted("shadow_answers", version="2") == 3

    trial = model_registry.find_model(desk.name, desk.root).trial
    seen = open_seen(desk.home, trial.id)  # type: ignore[union-attr]
    state = traffic(desk.name, seen, desk.root)
    assert state["shadow"]["answers"] == 4 and state["shadow"]["compared"] == 4 and state["word"] is None
    same = [one["answer"] == next(t["answer"] for t in told if t["id"] == one["shadow_of"]) for one in kept]
    assert state["shadow"]["same"] == sum(same) / 4 and state["sides"]["new"]["requests"] == 0


def test_its_answers_are_none_to_people(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for monitoring, not for feedback, not for limits, not for the numbers of the model."""
    desk.begin("shadow")
    registry = desk.served.service.metrics.registry

    def numbers() -> list[float | None]:
        names = ("request_success", "prompt_tokens", "generation_tokens")
        more: list[dict[str, str]] = [{"finished_reason": reason}, {}, {}]
        return [
            registry.get_sample_value(f"whet:{name}_total", {"model_name": desk.name} | labels)
            for name, labels in zip(names, more, strict=True)
        ]

    spent = list[int]()
    monkeypatch.setattr(desk.served.service.rates, "spend", lambda *given: spent.append(given[-1]))
    answer = desk.ask("anna", max_tokens=7).json()
    reason, usage = answer["choices"][0]["finish_reason"], answer["usage"]
    before = numbers()
    desk.settle()
    assert numbers() == before == [1, usage["prompt_tokens"], usage["completion_tokens"]]
    assert sum(spent) == usage["total_tokens"], "and once"

    (kept,) = desk.traces(shadow=True)
    refused = desk.send("POST", "/feedback", json={"id": kept["id"], "good": True})
    assert refused.status_code == 400 and kept["shadow_of"] in refused.json()["error"]["message"]
    traces = list(open_traces(desk.home, model=desk.name))
    assert [one.side for one in traces] == ["live"]
    exported = desk.send("GET", "/traces/export", params={"model": desk.name, "shadow": True}).text
    assert '"shadow_of"' in exported


def test_a_log_that_holds_shadows_is_read_without_them() -> None:
    told, kept = Trace("a", "a", model="m"), Trace("b", "b", model="m", shadow_of="a")
    assert of_model(ReadLog([told, kept], "whet", 0, ""), "m") == [told]
    with pytest.raises(InputError, match="no requests"):
        of_model(ReadLog([kept], "whet", 0, ""), None)


def test_a_shadow_of_some_clients_is_always_of_the_same(desk: Desk) -> None:
    desk.begin("shadow", 0.5)
    users = [f"user-{number}" for number in range(8)]
    for user in [*users, *users]:
        desk.ask(user)
    desk.settle()
    shadowed = [one["client"] for one in desk.traces(shadow=True)]
    assert 0 < len(set(shadowed)) < 8 and sorted(shadowed) == sorted([*set(shadowed)] * 2)


def test_one_that_fails_or_has_ended_is_counted_and_nobody_hears_of_it(desk: Desk) -> None:
    third = desk.root / "third-shadow"
    copytree(desk.root / "second", third)
    version = model_registry.register(desk.name, Run(third), {}, desk.root)
    desk.begin("shadow", version=version)
    rmtree(third)
    assert desk.version("anna") == 1
    desk.settle()
    assert desk.counted("shadow_answers_lost", version=str(version), reason="failed") == 1
    assert desk.traces(shadow=True) == []


def made(waiting: list[str], answer: Any = True, size: int = 1) -> Shadow:
    async def ask() -> bool:
        waiting.append("asked")
        return answer

    return Shadow("desk", 2, size, ask)


def lost(metrics: Metrics, reason: str) -> float | None:
    labels = {"model_name": "desk", "version": "2", "reason": reason}
    return metrics.registry.get_sample_value("whet:shadow_answers_lost_total", labels)


def test_under_load_they_are_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadowing, "LOOK_SECONDS", 0)
    metrics, asked = Metrics(), list[str]()
    answering = SimpleNamespace(has_room=False)

    async def crowd() -> None:
        shadows = Shadows(cast(Answering, answering), metrics)
        for _ in range(shadowing.MOST_WAITING + 5):
            shadows.put(made(asked))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not asked and lost(metrics, "queue_full") == 5
        answering.has_room = True
        while shadows.busy:
            await asyncio.sleep(0)
        assert len(asked) == shadowing.MOST_WAITING
        shadows.put(made(asked, size=shadowing.MOST_BYTES + 1))
        shadows.put(made(asked), kept=False)
        shadows.put(made(asked, answer=False))
        while shadows.busy:
            await asyncio.sleep(0)
        answering.has_room = False
        shadows.put(made(asked))
        await shadows.close()

    asyncio.run(crowd())
    assert lost(metrics, "queue_full") == 6
    assert [lost(metrics, reason) for reason in ("traces_off", "ended", "stopping")] == [1, 1, 1]


def test_there_is_room_while_nobody_waits_and_half_is_free() -> None:
    host = SimpleNamespace(waiting=0, running=2)
    answering = object.__new__(Answering)
    answering.settings = cast(Any, SimpleNamespace(slots=4))
    answering.hosts, answering.engine = cast(Any, SimpleNamespace(held={"nano": host})), None
    assert answering.has_room
    for waiting, running in ((1, 2), (0, 3)):
        host.waiting, host.running = waiting, running
        assert not answering.has_room
    host.waiting, host.running = 0, 0
    answering.engine = cast(Any, SimpleNamespace(inside=3))
    assert not answering.has_room
