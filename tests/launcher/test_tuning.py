"""A run that a service trains: what leaves this machine, what is said of it, and one verdict for all trainings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.launcher.conftest import Tune, trained, write_rows
from tests.launcher_service import FineTuning, serving
from tests.notes import Notes
from whet.data.prepare import Prepared, prepare
from whet.errors import InputError, RunError, RunFolderError
from whet.launcher.tuning import cancel_at, tune_at
from whet.model.base import load_tokenizer
from whet.recipe.load import load_recipe
from whet.release.opening import tuned_of
from whet.reports.result import RunResult
from whet.store.index import list_runs
from whet.store.run import Run
from whet.verbs.evaluate import evaluate
from whet.verbs.models import register
from whet.verbs.studies.failures import failures
from whet.verbs.tune import tune as tune_here

# ---- one run, looked at from all sides


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="module")
def served() -> Iterator[FineTuning]:
    for made in serving():
        made.says = trained
        yield made


@pytest.fixture(scope="module")
def said() -> Notes:
    return Notes()


@pytest.fixture(scope="module")
def result(folder: Path, served: FineTuning, said: Notes) -> RunResult:
    data = write_rows(folder, 300)
    return tune_at(str(data), served.url, run_root=folder / "runs", observer=said, sleep=lambda _: None)


@pytest.fixture(scope="module")
def prepared(folder: Path, result: RunResult) -> Prepared:
    """As a local run reads the same rows."""
    return prepare(load_recipe(folder / "tickets.jsonl"), load_tokenizer("nano"))


def test_the_verdict_is_that_of_a_local_run(result: RunResult, prepared: Prepared) -> None:
    assert result["verdict"]["word"] == "better" and result["ship"]["answer"] == "yes"
    assert {one["name"] for one in result["verdict"]["against"]} == {"base", "constant", "prompted", "examples"}
    assert all(one["better"] for one in result["verdict"]["against"])
    assert result["ledger"] == json.loads(json.dumps(prepared.ledger.summary()))
    lines = [json.loads(line) for line in (result.folder / "answers.jsonl").read_text().splitlines()]
    assert [line["row"] for line in lines] == [row.index for row in prepared.test_rows]
    local = {"run", "model", "method", "ledger", "metric", "base", "tuned", "difference", "verdict", "detectable_gain"}
    assert local <= result.keys() and {"loss", "forgetting", "stopped"}.isdisjoint(result)
    assert "forgetting" in result["elsewhere"]["not_measured"]


def test_no_test_row_leaves_this_machine(result: RunResult, served: FineTuning, prepared: Prepared) -> None:
    rows = [json.loads(line) for line in served.received.splitlines()]
    summary = prepared.ledger.summary()
    assert len(rows) == summary["trained"] + summary["held_out"]["validation"] and prepared.test_rows
    for row in prepared.test_rows:
        assert row.messages[0]["content"] not in served.received
    assert {file["filename"].rpartition("-")[2] for file in served.files.values()} == {
        "training.jsonl", "validation.jsonl"
    }  # fmt: skip


def test_the_job_asks_for_what_the_user_said_and_nothing_else(result: RunResult, served: FineTuning) -> None:
    body = served.bodies[0]
    auto = {"n_epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto"}
    assert body["method"] == {"type": "supervised", "supervised": {"hyperparameters": auto}}
    assert body["model"] == "nano" and body["suffix"] == "tickets" and body["seed"] == 0
    assert body["training_file"] == "file-1" and body["validation_file"] == "file-2"


def test_answers_are_asked_greedily_and_once(result: RunResult, served: FineTuning) -> None:
    assert all(chat["temperature"] == 0 for chat in served.chats)
    asked = [json.dumps([chat["model"], chat["messages"], chat["max_tokens"]]) for chat in served.chats]
    assert len(asked) == len(set(asked))


def test_the_same_call_gives_the_finished_result(result: RunResult, served: FineTuning, folder: Path) -> None:
    before = len(served.seen)
    again = tune_at(str(folder / "tickets.jsonl"), served.url, run_root=folder / "runs")
    assert again == result and len(served.seen) == before


def test_the_run_says_where_it_was_trained(result: RunResult, served: FineTuning, said: Notes) -> None:
    page = (result.folder / "report.html").read_text("utf-8")
    assert f"Trained at {served.url}" in page and "ft:nano:tickets:ftjob-1" in page and "loss on the references" in page
    assert "Fine-tuning job started" in said.notes and any("no test row is among them" in note for note in said.notes)
    assert [line["loss"] for line in Run(result.folder).metrics()] == [2.0, 1.0]
    listed = list_runs(result.folder.parent)
    assert [(run.name, run.status, run.verdict) for run in listed] == [(result["run"], "done", "better")]


def test_verbs_that_need_weights_say_that_there_are_none(result: RunResult, folder: Path) -> None:
    run, root = Run(result.folder), folder / "runs"
    for verb in (
        lambda: evaluate(run, root),
        lambda: failures(run, root),
        lambda: tuned_of(run),
        lambda: register("tickets", run.name, root),
        lambda: tune_here(str(folder / "tickets.jsonl"), root, name=run.name),
    ):
        with pytest.raises(RunFolderError, match="no weights of it are here"):
            verb()
    assert run.status == "done"


def test_another_place_is_refused_and_the_run_stays_done(result: RunResult, folder: Path) -> None:
    with pytest.raises(RunFolderError, match="and not http://127.0.0.1:9/v1"):
        tune_at(str(folder / "tickets.jsonl"), "http://127.0.0.1:9", run_root=folder / "runs", name=result["run"])
    assert Run(result.folder).status == "done"


# ---- what goes wrong on the way


def test_lost_answers_and_a_busy_service_make_nothing_twice(tune: Tune, service: FineTuning) -> None:
    service.lose = ["POST /v1/files", "POST /v1/fine_tuning/jobs"]
    service.deny = ["POST /v1/files", "POST /v1/fine_tuning/jobs"]
    result = tune()
    assert len(service.files) == 2 and len(service.jobs) == 1
    assert result["elsewhere"]["job"] == "ftjob-1"


def test_a_stopped_command_goes_on_where_it_was(tune: Tune, service: FineTuning, notes: Notes) -> None:
    def stop(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(sleep=stop)
    assert any("same command follows it again, and with --cancel ends it" in note for note in notes.notes)
    assert next(iter(service.jobs.values()))["status"] == "running"
    chats, service.chats = service.chats, []
    result = tune()
    assert service.seen.count("POST /v1/files") == 2 and service.seen.count("POST /v1/fine_tuning/jobs") == 1
    assert not chats and result["elsewhere"]["trained_tokens"] == 4321
    kept = [json.loads(line)["id"] for line in (result.folder / "events.jsonl").read_text().splitlines()]
    assert kept == [event["id"] for event in service.events(service.jobs["ftjob-1"])]


def test_a_killed_process_that_never_heard_of_its_job_finds_it(tune: Tune, service: FineTuning) -> None:
    service.lose = ["POST /v1/fine_tuning/jobs"] * 9
    with pytest.raises(RunError):
        tune(sleep=_raises_when_lost(service))
    service.lose = []
    tune()
    assert len(service.jobs) == 1 and len(service.files) == 2


def _raises_when_lost(service: FineTuning):  # type: ignore[no-untyped-def]
    def sleep(_: float) -> None:
        if "POST /v1/fine_tuning/jobs" in service.seen:
            raise RunError("killed")

    return sleep


def test_a_failed_job_ends_in_the_services_own_words(tune: Tune, service: FineTuning) -> None:
    service.fails = {"message": "Training file has 7 examples", "code": "invalid_n_examples", "param": "training_file"}
    with pytest.raises(RunError, match=r"failed: Training file has 7 examples \(code invalid_n_examples, param train"):
        tune()
    service.fails = None
    result = tune()
    assert result["elsewhere"]["job"] == "ftjob-2" and len(service.files) == 2


def test_a_job_can_be_cancelled(tune: Tune, service: FineTuning, tmp_path: Path) -> None:
    def stop(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(sleep=stop)
    asked = {"data": str(tmp_path / "tickets.jsonl"), "evaluate": {"against": ["base"]}}
    assert cancel_at(asked, service.url, tmp_path / "runs") == "job ftjob-1: cancelled"
    with pytest.raises(InputError, match="no job that could be cancelled"):
        cancel_at(asked, service.url, tmp_path / "runs")
    assert tune()["elsewhere"]["job"] == "ftjob-2"


def test_a_base_under_the_tuned_name_is_never_better(tune: Tune, service: FineTuning, notes: Notes) -> None:
    service.says = lambda model, messages: "How can I help you?"
    result = tune()
    assert result["verdict"]["word"] != "better" and result["ship"]["answer"] != "yes"
    loud = "answered all 6 rows exactly as its base: it is probably not there"
    assert loud in result["verdict"]["sentence"] and any(loud in note for note in notes.notes)


def test_a_service_that_says_that_the_base_answered_is_believed(tune: Tune, service: FineTuning) -> None:
    service.says = lambda model, messages: trained(service.chats[-1]["model"], messages)  # as it was asked for
    service.serves_as = lambda model: "nano"
    assert "nano answered in the place of the tuned model" in tune()["caution"]


def test_the_key_is_sent_and_written_nowhere(
    tune: Tune, service: FineTuning, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVICE_KEY", "sk-very-secret")
    result = tune(key="SERVICE_KEY")
    assert service.keys == {"Bearer sk-very-secret"}
    kept = [path.read_bytes() for path in result.folder.rglob("*") if path.is_file()]
    assert not any(b"sk-very-secret" in content for content in kept) and "sk-very" not in str(notes.notes)
    with pytest.raises(InputError, match="not set"):
        tune(key="NO_SUCH_KEY")


def test_a_base_that_is_not_known_here_is_read_with_nanos_tokenizer(tune: Tune, notes: Notes) -> None:
    result = tune({"base": "gpt-4.1-mini"})
    assert result["model"] == "gpt-4.1-mini" and result["elsewhere"]["tuned_model"].startswith("ft:gpt-4.1-mini:")
    assert any("'gpt-4.1-mini' is not known here: tokens are estimated" in note for note in notes.notes)
