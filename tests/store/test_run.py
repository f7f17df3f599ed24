"""A run is a folder that is found again by the same command, written by one process, and read in any state."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from whet.errors import RunFolderError
from whet.recipe.schema import Evaluate, Full, Recipe
from whet.recipe.sections.keep import Forgetting, Keep
from whet.store import checksums, identity
from whet.store.run import Run
from whet.store.unchanged import refuse_changed_data

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    Path("Tickets 2.jsonl").write_text('{"a": 1}\n')
    return tmp_path


def recipe(**keys: object) -> Recipe:
    return Recipe.model_validate({"data": "Tickets 2.jsonl", **keys})


def test_the_same_command_finds_the_same_folder() -> None:
    run = Run.create("runs", recipe())
    assert run.name.startswith("tickets-2-") and len(run.name) == len("tickets-2-") + 8
    run.log({"step": 0})
    again = Run.create("runs", recipe())
    assert again.folder == run.folder and again.metrics() == [{"step": 0}]


def test_another_recipe_other_data_or_another_test_file_is_another_run() -> None:
    names = {Run.create("runs", recipe()).name, Run.create("runs", recipe(seed=1)).name}
    names.add(Run.create("runs", Recipe(data="Tickets 2.jsonl", adapter=Full())).name)
    Path("Tickets 2.jsonl").write_text('{"a": 2}\n')
    names.add(Run.create("runs", recipe()).name)
    Path("test.jsonl").write_text("{}")
    names.add(Run.create("runs", recipe(test="test.jsonl")).name)
    assert len(names) == 5


def test_the_same_data_under_another_path_is_the_same_data() -> None:
    run = Run.create("runs", recipe(), name="mine")
    Path("moved").mkdir()
    Path("Tickets 2.jsonl").rename("moved/renamed.jsonl")
    assert Run.create("runs", recipe(data="moved/renamed.jsonl"), name="mine").folder == run.folder


def test_files_beside_the_data_may_move_with_it() -> None:
    """Their bytes make the run, not their places; and from here on it reads them where they are."""

    def asked(folder: str) -> Recipe:
        return recipe(
            keep=Keep(replay=f"{folder}general.jsonl", prompts=f"{folder}asked.jsonl", scale="auto"),
            forgetting=Forgetting(suites=[f"{folder}suite.jsonl"]),
            evaluate=Evaluate(metric=f"{folder}own.py:score"),
        )

    names = ("general.jsonl", "asked.jsonl", "suite.jsonl", "own.py")
    for name in names:
        Path(name).write_text(f'{{"in": "{name}"}}\n')
    run = Run.create("runs", asked(""))
    run.write_recipe(asked(""))
    Path("moved").mkdir()
    for name in names:
        Path(name).rename(f"moved/{name}")
    again = Run.create("runs", asked("moved/"))
    assert again.folder == run.folder
    for found in (again.recipe, again.requested):
        assert all(Path(name).is_file() for name in (found.keep.replay or "", found.keep.prompts or ""))
        assert Path(found.forgetting.suites[0]).is_file() and "moved" in found.evaluate.metric
    refuse_changed_data(run)
    Path("moved/suite.jsonl").write_text("other")
    assert Run.create("runs", asked("moved/")).folder != run.folder
    assert Run.create("runs", recipe(evaluate=Evaluate(metric="moved/own.py:other"))).folder != run.folder


def test_a_run_looks_for_its_files_from_where_it_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("general.jsonl", "suite.jsonl"):
        Path(name).write_text("{}")
    asked = recipe(keep=Keep(replay="general.jsonl"), forgetting=Forgetting(suites=["suite.jsonl"]))
    run = Run.create(Path("runs").absolute(), asked)
    before = (run.folder / "recipe.yaml").stat().st_mtime_ns
    Run.create("runs", asked)
    assert (run.folder / "recipe.yaml").stat().st_mtime_ns == before, "nothing has moved"
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    refuse_changed_data(run)
    assert Path(run.recipe.keep.replay or "").is_file() and Path(run.recipe.forgetting.suites[0]).is_file()


def test_what_is_asked_for_here_is_named_before_what_the_run_asked_for() -> None:
    run = recipe(seed=1, epochs=2.0, max_tokens=64, test="a.jsonl")
    told = identity.differing(recipe(learning_rate=1e-4, test="b.jsonl"), run)
    assert told.startswith("learning_rate is 0.0001 here and left out in the run; ")
    assert "seed is 0 here and 1 in the run" in told and "max_tokens" in told and "test" not in told
    assert identity.differing(run, run) == ""
    many = {"seed": 1, "epochs": 2.0, "max_tokens": 64, "batch_tokens": 512, "dtype": "float32", "system": "s"}
    assert identity.differing(recipe(**many), recipe()).endswith("; and 1 more key")


def test_a_name_that_is_taken_by_something_else_is_refused() -> None:
    Run.create("runs", recipe(), name="mine")
    with pytest.raises(RunFolderError, match="made with another recipe: seed is 1 here and 0 in the run"):
        Run.create("runs", recipe(seed=1), name="mine")
    Path("Tickets 2.jsonl").write_text("{}")
    with pytest.raises(RunFolderError, match="was made with other data"):
        Run.create("runs", recipe(), name="mine")
    Path("runs/foreign").mkdir()
    Path("runs/foreign/thesis.doc").write_text("x")
    with pytest.raises(RunFolderError, match="is not a run"):
        Run.create("runs", recipe(), name="foreign")
    assert os.listdir("runs/foreign") == ["thesis.doc"]


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "x" * 200, "a b"])
def test_names_that_are_no_folder_names_are_refused(name: str) -> None:
    if name:
        with pytest.raises(RunFolderError, match="can not be the name"):
            Run.create("runs", recipe(), name=name)
    assert not Path("runs").exists()


def test_a_run_opens_by_name_and_by_folder_and_suggests_the_nearest() -> None:
    run = Run.create("runs", recipe(), name="tickets-a")
    assert Run.open("tickets-a").folder == Run.open(run.folder).folder == run.folder
    with pytest.raises(RunFolderError, match="did you mean 'tickets-a'"):
        Run.open("ticket-a")
    with pytest.raises(RunFolderError, match="make one with"):
        Run.open("x", "nowhere")
    Path("empty").mkdir()
    with pytest.raises(RunFolderError, match="not a run"):
        Run.open("empty")


@pytest.mark.parametrize("name", ["run.json", "status.json"])
def test_damaged_files_are_named(name: str) -> None:
    run = Run.create("runs", recipe(), name="a")
    (run.folder / name).write_text("{")
    with pytest.raises(RunFolderError, match=rf"{name}: this file is damaged"):
        _ = Run.open("a").status
    with pytest.raises(RunFolderError, match="evaluation.json: this file is missing"):
        run.read_json("evaluation.json")


@pytest.mark.parametrize("choice", [{"kez": "steps", "value": 2}, "steps", {"key": "steps", "value": 2}])
def test_choices_of_another_form_are_named_where_no_checksum_tells_of_them(choice: object) -> None:
    """In runs of versions that wrote none; before a training, which reads them at its end alone."""
    run = Run.create("runs", Recipe(data="d.jsonl"))
    (run.folder / "choices.json").write_text(json.dumps([{"key": "a", "value": 1, "reason": "b"}, choice]))
    with pytest.raises(RunFolderError, match="choice 2 has no key, value or reason"):
        run.refuse_damaged_files()


def test_a_sealed_file_must_stay_as_it_is_until_it_grows_again() -> None:
    run = Run.create("runs", Recipe(data="d.jsonl"))
    run.log({"step": 0, "loss": 1.0})
    checksums.seal_lines(run.folder, "metrics.jsonl")
    checksums.seal_lines(run.folder, "no such file")
    checksums.refuse_damaged(run.folder)
    (run.folder / "metrics.jsonl").write_text('{"step": 0, "loss": 0.1}\n')
    with pytest.raises(RunFolderError, match=r"metrics\.jsonl: this file is damaged"):
        checksums.refuse_damaged(run.folder)
    run.truncate_metrics(0)
    run.log({"step": 0, "loss": 2.0})
    checksums.refuse_damaged(run.folder)


@pytest.mark.parametrize("name", ["run.json", "recipe.yaml"])
def test_a_damaged_file_is_the_reason_and_no_other_recipe(name: str) -> None:
    run = Run.create("runs", Recipe(data="d.jsonl"), "r")
    path = run.folder / name
    changed = {"run.json": ('"data_sha256": "', '"data_sha256": "0'), "recipe.yaml": ("seed: 0", "seed: x")}[name]
    text = path.read_text()
    assert changed[0] in text
    path.write_text(text.replace(*changed))
    with pytest.raises(RunFolderError, match=f"{name}: this file is damaged"):
        Run.create("runs", Recipe(data="d.jsonl"), "r")


def test_metrics_survive_a_torn_line_and_report_a_damaged_one() -> None:
    run = Run.create("runs", recipe())
    for step in range(3):
        run.log({"step": step, "loss": float("nan") if step == 1 else 0.5})
    path = run.folder / "metrics.jsonl"
    with open(path, "a") as file:
        file.write('{"step": 3, "lo')
    assert [line["loss"] for line in run.metrics()] == [0.5, None, 0.5]
    run.log({"step": 3})
    assert [line["step"] for line in run.metrics()] == [0, 1, 2, 3]
    path.write_text('{"step": 0}\nrubbish\n{"step": 2}\n')
    with pytest.raises(RunFolderError, match=r"metrics.jsonl:2: this line is damaged"):
        run.metrics()


def test_truncating_drops_the_steps_that_a_resumed_run_writes_again() -> None:
    run = Run.create("runs", recipe())
    before = [{"step": 0, "validation_loss": 3.0}, {"step": 0}, {"step": 1, "validation_loss": 2.0}]
    for line in (*before, {"step": 1}, {"step": 2, "validation_loss": 1.0}, {"step": 2}, {"note": "x"}):
        run.log(line)
    run.truncate_metrics(1)
    assert run.metrics() == [*before, {"note": "x"}], "the validation after a step stands before its checkpoint"
    run.truncate_metrics(0)
    assert run.metrics() == [{"note": "x"}], "a run without a checkpoint begins anew"


def test_status_words() -> None:
    run = Run.create("runs", recipe())
    with run.lock:
        assert run.status == "preparing"
        run.set_status("training", step=3)
        assert run.status == Run.open(run.name).status == "training"
        assert run.status_facts()["step"] == 3
    assert run.status == "interrupted"
    run.set_status("done")
    assert run.status == "done"
    with pytest.raises(ValueError, match="is not a status"):
        run.set_status("finished")  # type: ignore[arg-type]


def test_the_recipe_of_a_run_works_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run.create("runs", recipe())
    assert run.recipe == recipe()
    run.write_recipe(recipe(steps=7))
    assert run.recipe.steps == 7
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    data = Run.open(tmp_path / "runs" / run.name).recipe.data
    assert isinstance(data, str) and Path(data).is_file()


def holder(folder: Path) -> subprocess.Popen[str]:
    code = (
        "import sys, time; from pathlib import Path; from whet.store.run import Run\n"
        f"with Run(Path({str(folder)!r})).lock:\n    print('held', flush=True)\n    time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "held\n"
    return process


def test_two_processes_never_write_one_run_and_a_dead_one_holds_nothing() -> None:
    run = Run.create("runs", recipe())
    process = holder(run.folder)
    try:
        with pytest.raises(RunFolderError, match=rf"written by another process \(pid {process.pid}\)"), run.lock:
            pass
        assert run.lock.busy
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()
    with run.lock, run.lock:
        assert run.lock.busy
    assert not run.lock.busy


def test_opening_a_run_finishes_a_checkpoint_that_a_kill_left_between_two_renames() -> None:
    run = Run.create("runs", recipe())
    old = run.folder / "checkpoints" / ".last.old"
    old.mkdir(parents=True)
    (old / "weights").write_text("x")
    assert (Run.open(run.name).checkpoint("last") / "weights").exists()


def test_a_run_killed_at_a_random_instant_is_readable(tmp_path: Path) -> None:
    code = (
        "import itertools; from whet.store.run import Run; from whet.store.atomic import new_folder\n"
        "from whet.recipe.schema import Recipe\n"
        "run = Run.create('runs', Recipe(data='Tickets 2.jsonl'), name='k')\n"
        "for step in itertools.count():\n"
        "    run.log({'step': step}); run.set_status('training', step=step)\n"
        "    with new_folder(run.checkpoint('last')) as folder:\n"
        "        for name in 'ab': (folder / name).write_text(str(step))\n"
        "    if step == 0: print('a checkpoint of mine', flush=True)\n"
    )
    for pause in (0.05, 0.11, 0.17):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout and process.stdout.readline() == "a checkpoint of mine\n"
            time.sleep(pause)  # only chooses the instant: all that is asked for below is there already
            process.kill()
        run = Run.open("k")
        last = run.checkpoint("last")
        steps = {(last / name).read_text() for name in "ab"}
        assert len(steps) == 1, "a checkpoint is of one step"
        assert run.metrics()[-1]["step"] >= int(steps.pop())
        assert run.status == "interrupted"
        json.loads((run.folder / "status.json").read_text())
