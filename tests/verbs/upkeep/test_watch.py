"""`whet watch` of a run: a pass, the next one, two at once, a gate, an alarm that is acknowledged, a timer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import whet
from tests.monitoring.alerts.listener import listening
from tests.monitoring.test_drift import mixed
from tests.verbs.test_monitor import log_of
from whet.cli.verb_list import whole_app
from whet.cli.verbs.upkeep import watch as command
from whet.errors import InputError, RunError
from whet.store.lock import Lock
from whet.verbs.upkeep.watch import LOCK


@pytest.fixture(scope="module")
def run(copy_of_run: Callable[[str], Path]) -> Path:
    return copy_of_run("sft")


def called(*arguments: object) -> tuple[int, dict[str, Any]]:
    ended = CliRunner().invoke(whole_app(), ["watch", *map(str, arguments), "--json"])
    assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.output
    return ended.exit_code, json.loads(ended.stdout)


def test_a_pass_tells_and_gates_and_what_is_acknowledged_is_over(run: Path, tmp_path: Path) -> None:
    log, prom = log_of(tmp_path / "log.jsonl", mixed(0.4, 60, 300)), tmp_path / "whet.prom"
    with listening() as listener:
        given = (run, "--from", log, "--webhook", listener.url, "--prometheus", prom, "--gate")
        code, told = called(*given)
        assert code == 3 and told["new_traces"] == 300 and told["sent"] == 1 and not told["busy"]
        (alarm,) = told["alarms"]
        assert listener.bodies[0]["id"] == alarm["id"] == told["new"][0]
        assert "fridge" not in json.dumps(listener.bodies) and "fridge" in json.dumps(alarm["examples"])
        assert f'whet_monitor_alarm{{model_name="{run}",question="drift"}} 1' in prom.read_text("utf-8")

        code, told = called(*given)
        assert code == 3 and (told["new_traces"], told["new"], told["sent"]) == (0, [], 0)
        code, told = called(*given, "--acknowledge", alarm["id"], "--why", "we sell food now")
        assert code == 0 and told["alarms"] == [] and told["closed"][0]["why"] == "we sell food now"
        assert [body["event"] for body in listener.bodies] == ["alarm", "acknowledged"]
    state = Path(told["state"])
    assert state.parent == run / "watches" and state.stat().st_mode & 0o077 == 0
    assert 'question="drift"} 0' in prom.read_text("utf-8")


def test_of_two_at_once_the_second_says_so_and_ends_well(run: Path, tmp_path: Path) -> None:
    log = log_of(tmp_path / "log.jsonl", mixed(0.4, 60, 100))
    with Lock(tmp_path / "state" / LOCK, "the watch"):
        code, told = called(run, "--from", log, "--state", tmp_path / "state", "--gate")
        said = CliRunner().invoke(
            whole_app(), ["watch", str(run), "--from", str(log), "--state", str(tmp_path / "state")]
        )
    assert code == 0 and told["busy"] and "nothing was done" in said.output
    assert not list((tmp_path / "state").glob("*.npz"))


def test_a_message_that_nobody_took_is_the_exit_code(run: Path, tmp_path: Path) -> None:
    log = log_of(tmp_path / "log.jsonl", mixed(0.5, 30, 200))
    code, told = called(run, "--from", log, "--state", tmp_path / "state", "--webhook", "http://127.0.0.1:9/x")
    assert code == 1 and told["undelivered"] == 1 and "/x" not in json.dumps(told)


def test_a_timer_of_its_own_outlives_a_service_that_is_away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    passes: list[object] = []
    page = {"traces": 0, "alarms": [], "closed": [], "new_traces": 0, "state": "s", "undelivered": 0, "busy": True}

    def passing(*_: object, **__: object) -> dict[str, Any]:
        passes.append(1)
        if len(passes) == 1:
            raise RunError("the database does not answer")
        return page

    def slept(seconds: float) -> None:
        assert seconds == 300
        if len(passes) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(whet.api, "watch", passing)
    monkeypatch.setattr(command.time, "sleep", slept)
    ended = CliRunner().invoke(
        whole_app(), ["watch", "tickets", "--from", str(tmp_path / "log.jsonl"), "--every", "5m"]
    )
    assert len(passes) == 3 and "does not answer" in ended.output


@pytest.mark.parametrize("every", ["0m", "5", "m", "5w", "-1s", ""])
def test_what_is_no_time_is_refused(every: str) -> None:
    with pytest.raises(InputError, match="no time"):
        command.seconds_of(every)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--webhook", "file:///etc/passwd"), "URL of http"),
        (("--why", "so"), "add acknowledge="),
        (("--every", "5m", "--gate"), "no end to tell"),
        (("--project", "other"), "no projects"),
    ],
)
def test_what_says_nothing_is_refused(given: tuple[str, ...], words: str) -> None:
    ended = CliRunner().invoke(whole_app(), ["watch", "tickets", "--from", "log.jsonl", *given])
    assert isinstance(ended.exception, InputError) and words in str(ended.exception)
