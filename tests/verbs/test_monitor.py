"""`whet monitor` of a run, from a log file: what it says, what it prints, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import whet
from tests.monitoring.test_drift import desk, mixed
from tests.server.traces.made import keep, project, record
from whet.cli.verb_list import whole_app
from whet.demo_data.support_desk import generate
from whet.errors import DataError, InputError, RunFolderError
from whet.monitoring.trace import Feedback, Trace
from whet.server.database.opening import open_database
from whet.server.traces.opening import ServiceSource
from whet.store.run import Run


@pytest.fixture(scope="module")
def run(copy_of_run: Callable[[str], Path]) -> Path:
    return copy_of_run("sft")


def log_of(path: Path, asked: list[str], model: str = "desk", **facts: Any) -> Path:
    """As NVIDIA's flywheel and many gateways write it: one request with its response a line."""
    lines = [
        {
            "timestamp": 1_790_000_000 + 60 * n,
            "client_id": "shop",
            "request": {"model": model, "messages": [{"role": "user", "content": text}]},
            "response": {
                "id": f"c{n}",
                "model": model,
                "choices": [{"message": {"role": "assistant", "content": "{}"}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 20, "completion_tokens": 5},
            },
        }
        | facts
        for n, text in enumerate(asked)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


def test_a_log_like_the_training_rows_raises_no_alarm(run: Path, tmp_path: Path) -> None:
    result = whet.monitor(run, log_of(tmp_path / "log.jsonl", desk(150, seed=3)))
    assert result["alarms"] == [] and result["traces"] == 150
    drift = result["looked_at"]["questions"]["drift"]
    assert drift["watched"] and drift["auc_interval"][0] < 0.6
    assert result["looked_at"]["from"] == "2026-09-21T14:13:20Z"


def test_a_new_topic_is_an_alarm_that_the_gate_ends_with_three(run: Path, tmp_path: Path) -> None:
    log = log_of(tmp_path / "log.jsonl", mixed(0.3, 60, 260))
    ended = CliRunner().invoke(whole_app(), ["monitor", str(run), "--from", str(log), "--json", "--gate"])
    assert ended.exit_code == 3, ended.output
    told = json.loads(ended.stdout)
    (alarm,) = told["alarms"]
    assert set(alarm) >= {"question", "since", "evidence", "rate", "examples", "suggestion"}
    assert alarm["question"] == "drift" and alarm["evidence"]["capital"] >= alarm["evidence"]["needed"]
    assert all("fridge" in example["asked"] for example in alarm["examples"])
    assert alarm["examples"][0]["where"].startswith("log.jsonl:")

    ended = CliRunner().invoke(whole_app(), ["monitor", str(run), "--from", str(log)])
    assert ended.exit_code == 0
    assert "Alarm: Live prompts have changed" in ended.output and "to do: collect" in ended.output


def test_requests_to_another_name_are_left_out(run: Path, tmp_path: Path) -> None:
    log = log_of(tmp_path / "log.jsonl", desk(60, seed=3), model="desk@2")
    assert whet.monitor(run, log, served_as="desk@2")["traces"] == 60
    with pytest.raises(InputError, match="no request was to this model.*did you mean 'desk@2'"):
        whet.monitor(run, log, served_as="desk@1")


def test_prompts_may_stand_in_for_training_rows_that_are_gone(run: Path, tmp_path: Path) -> None:
    known = tmp_path / "known.jsonl"
    known.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in desk(80, seed=1)), "utf-8")
    result = whet.monitor(run, log_of(tmp_path / "log.jsonl", desk(60, seed=3)), known=known)
    assert result["looked_at"]["questions"]["drift"]["watched"]


def test_rows_that_are_gone_are_not_passed_over(tmp_path: Path) -> None:
    data = tmp_path / "desk.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in generate(60, 0)), "utf-8")
    result = whet.train(str(data), run_root=tmp_path / "runs", steps=1, keep=False, dtype="float32")
    data.unlink()
    with pytest.raises(RunFolderError, match="(?s)desk.jsonl.*known=FILE"):
        whet.monitor(tmp_path / "runs" / result["run"], log_of(tmp_path / "log.jsonl", desk(60, seed=3)))


def test_a_log_that_is_none_is_one_clear_error(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "notes.jsonl"
    other.write_text('{"note": "hello"}\n', "utf-8")
    with pytest.raises(DataError):
        whet.monitor(run, other)
    ended = CliRunner().invoke(whole_app(), ["monitor", str(run), "--from", str(tmp_path / "nothing.jsonl")])
    assert ended.exit_code != 0


def test_traces_of_a_service_are_read_from_its_folder(run: Path, tmp_path: Path) -> None:
    """The service need not run: what it wrote is there."""
    database = open_database(f"sqlite:///{tmp_path / 'whet.sqlite'}")
    owner = project(database)
    keep(database, [record(f"t{n:03}", owner, ago=60.0 * (100 - n), finish_reason="stop") for n in range(100)])
    database.close()
    ended = CliRunner().invoke(whole_app(), ["monitor", str(run), "--from", str(tmp_path), "--json", "--newest", "60"])
    assert ended.exit_code == 0, ended.output
    told = json.loads(ended.stdout)
    assert told["traces"] == 60 and told["alarms"] == []
    assert "0 live prompts" in told["looked_at"]["questions"]["drift"]["sentence"], "texts were not kept"


def test_what_a_watch_knows_of_a_service_is_gone_on_from(run: Path, tmp_path: Path) -> None:
    """Its page is of all requests, those since the last pass among them, and changes nothing."""
    database = open_database(f"sqlite:///{tmp_path / 'whet.sqlite'}")
    owner = project(database)
    keep(database, [record(f"t{n:03}", owner, ago=60.0 * (200 - n), finish_reason="stop") for n in range(150)])
    assert whet.watch(run, ServiceSource(tmp_path))["new_traces"] == 150
    (state,) = (tmp_path / "watches").iterdir()
    before = (state / "state.npz").read_bytes()
    keep(database, [record(f"t{n:03}", owner, ago=60.0 * (200 - n), finish_reason="stop") for n in range(150, 180)])
    database.close()

    ended = CliRunner().invoke(whole_app(), ["monitor", str(run), "--from", str(tmp_path), "--json"])
    told = json.loads(ended.stdout)
    assert told["traces"] == 180 and told["looked_at"]["state"] == str(state)
    assert (state / "state.npz").read_bytes() == before
    ended = CliRunner().invoke(whole_app(), ["monitor", str(run), "--from", str(tmp_path), "--json", "--newest", "60"])
    assert json.loads(ended.stdout)["traces"] == 60

    known = tmp_path / "known.jsonl"
    known.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in desk(80, seed=1)), "utf-8")
    ended = CliRunner().invoke(whole_app(), ["monitor", str(run), "--from", str(tmp_path), "--known", str(known)])
    assert "is not used: what the run is held to" in ended.output.replace("\n", " ")


def test_two_look_at_one_run_at_once_and_none_while_it_is_worked_on(run: Path, tmp_path: Path) -> None:
    log = log_of(tmp_path / "log.jsonl", desk(60, seed=3))
    with Run(run).looking():
        assert whet.monitor(run, log)["traces"] == 60
    with Run(run).working(), pytest.raises(RunFolderError, match="another process"):
        whet.monitor(run, log)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--newest", "0"), "--newest: a number from 1 to 10,000,000 is needed"),
        (("--newest", "5"), "a log is looked at whole"),
        (("--project", "other"), "a log has no projects"),
        (("--state", "there"), "--state"),
    ],
)
def test_what_says_nothing_of_a_log_is_refused(tmp_path: Path, given: tuple[str, str], words: str) -> None:
    log = tmp_path if given[1] == "0" else tmp_path / "log.jsonl"
    ended = CliRunner().invoke(whole_app(), ["monitor", "tickets", "--from", str(log), *given])
    assert isinstance(ended.exception, InputError) and words in str(ended.exception)


def test_a_url_of_no_database_is_an_error_of_from_without_its_password(run: Path) -> None:
    for url in ("mysql://anna:secret@host/db", "://anna:secret@host"):
        ended = CliRunner().invoke(whole_app(), ["monitor", str(run), "--from", url])
        assert isinstance(ended.exception, InputError) and str(ended.exception).startswith("keyword log: ")
        assert "secret" not in str(ended.exception)


def test_a_service_that_nobody_has_asked_is_told_so(run: Path, tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'whet.sqlite'}")
    project(database)
    database.close()
    ended = CliRunner().invoke(whole_app(), ["monitor", str(run), "--from", str(tmp_path)])
    assert isinstance(ended.exception, InputError) and "no requests" in str(ended.exception)


def test_what_people_said_becomes_rows_that_a_tune_reads(run: Path, tmp_path: Path) -> None:
    """One of two people corrects; the row of a trace on which they disagree is shown and left out."""
    log = log_of(tmp_path / "log.jsonl", desk(40, seed=3))
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    traces = [Trace(f"c{n}", "", messages=line["request"]["messages"], answer="{}") for n, line in enumerate(lines)]
    said = [
        replace(trace, feedback=(Feedback(corrected='{"intent": "other"}', by="anna"),) * (1 + (n == 0)))
        for n, trace in enumerate(traces[:20])
    ]
    said[1] = replace(said[1], feedback=(*said[1].feedback, Feedback(corrected='{"intent": "refund"}', by="bo")))
    made = tmp_path / "rows.jsonl"
    with pytest.raises(InputError, match="(?s)no answers to its test rows.*whet eval"):
        whet.monitor(run, said, rows=made)
    whet.evaluate(run)
    result = whet.monitor(run, [*said, *said, *traces[20:]], rows=made)  # a record that came twice is one row
    assert result["feedback"]["form"] == "answers" and result["feedback"]["rows"] == 19
    assert [left["why"] for left in result["feedback"]["left_out"]] == ["people disagree"]
    first = json.loads(made.read_text("utf-8").splitlines()[0])
    assert first["trace"] == "c0" and first["messages"][-1]["content"] == '{"intent": "other"}'
    assert whet.check(str(made))["rows"] == 19

    with pytest.raises(InputError, match="there already"):
        whet.monitor(run, traces, rows=made)
