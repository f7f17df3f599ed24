"""What `whet runs prune` would remove is what nothing holds on to; nothing goes without --yes."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest

from whet.cli.main import run as command
from whet.recipe.schema import Recipe
from whet.store import model_registry
from whet.store.pruning import sort_out
from whet.store.run import Run

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("d.jsonl").write_text("x")


def made(seed: int, name: str | None = None, gain: float | None = None, **keys: Any) -> Run:
    run = Run.create("runs", Recipe.model_validate({"data": "d.jsonl", "seed": seed, **keys}), name)
    run.set_status("done")
    if gain is not None:
        run.write_json("evaluation.json", {"difference": {"estimate": gain}, "metric": {"name": "m"}, "model": "nano"})
    return run


def test_what_is_held_on_to_stays_and_the_rest_would_go(capsys: Capture) -> None:
    loose, best, mine = made(0, gain=0.1), made(1, gain=0.3), made(2, "mine")
    used, former, named, busy, damaged = made(3), made(4), made(5), made(6), made(7)
    for name, run in (("d", former), ("d", used), ("release", named), ("d", loose)):
        model_registry.register(name, run, {}, "runs")
    model_registry.promote("d", 1, "runs")
    model_registry.promote("d", 2, "runs")
    (damaged.folder / "recipe.yaml").write_text("data: [")
    with busy.lock:
        found = sort_out("runs")
        assert command(["runs", "prune", "--yes", "--json"]) == 0
    assert [one.name for one in found.going] == [loose.name]
    assert found.kept[best.name] == "the best on its data" and found.kept[mine.name] == "named by you"
    assert found.kept[used.name] == "live as d@2" and found.kept[former.name] == "was live as d@1"
    assert found.kept[named.name] == "named release@1" and found.kept[busy.name] == "at work"
    assert "damaged" in found.kept[damaged.name]
    told = json.loads(capsys.readouterr().out)
    assert told["removed"] == [loose.name] and told["bytes"] > 0
    assert sorted(path.parent.name for path in Path("runs").glob("*/run.json")) == sorted(found.kept)


def test_nothing_goes_without_yes(capsys: Capture) -> None:
    run = made(0)
    assert command(["runs", "prune"]) == 0
    shown = capsys.readouterr().out
    assert run.name in shown and "nothing was removed; --yes removes 1 run" in shown and run.folder.exists()
    assert command(["runs", "prune", "--yes"]) == 0 and not run.folder.exists()
    assert command(["runs", "prune"]) == 0 and "nothing to remove" in capsys.readouterr().out


def test_young_runs_stay_where_days_are_given() -> None:
    young, old = made(0), made(1)
    aged(old)
    found = sort_out("runs", days=30)
    assert [one.name for one in found.going] == [old.name] and 39 < found.going[0].days < 41
    assert found.kept == {young.name: "younger than 30 days"}


def test_a_teacher_of_a_run_that_stays_stays(capsys: Capture) -> None:
    teacher = made(0)
    made(1, "mine", method={"kind": "distil", "teacher": teacher.name})
    found = sort_out("runs")
    assert found.kept[teacher.name] == "named in the recipe of mine" and not found.going


def test_a_teacher_that_is_named_as_a_model_stays() -> None:
    by_version, by_name, other = made(0), made(1), made(2)
    for run in (by_version, by_name, other):
        model_registry.register("d", run, {}, "runs")
    for version in (3, 2):
        model_registry.promote("d", version, "runs")
    assert model_registry.roll_back("d", "runs") == 3, "and version 2 is no way back any more"
    made(3, "one", method={"kind": "distil", "teacher": "d@1"})
    assert [run.name for run in (by_version, by_name) if run.name in sort_out("runs").kept] == [by_version.name]
    made(4, "two", method={"kind": "distil", "teacher": "d"})
    assert sort_out("runs").kept[by_name.name] == "named in the recipe of two"


def test_the_run_that_another_was_scaled_from_stays() -> None:
    trained = made(0)
    made(1, "mine").write_json("scaled_from.json", {"run": trained.name, "scale": 0.5})
    assert sort_out("runs").kept[trained.name] == "named in the recipe of mine"


def test_shares_of_a_curve_are_not_names_of_a_person() -> None:
    whole, split = made(0), {"train_share": 0.25}
    made(1, f"{whole.name}-0.25", split=split)
    made(2, "mine")
    made(3, "mine-0.25", split=split)
    assert {one.name for one in sort_out("runs").going} == {whole.name, f"{whole.name}-0.25"}


@pytest.mark.parametrize("name", ["d-20261129", "tickets-20261129", "d-deadbeef", "d-20261129-0.5"])
def test_a_date_in_the_name_of_a_run_is_a_persons(name: str) -> None:
    mine = made(0, name)
    assert sort_out("runs").kept == {name: "named by you"} and model_registry.name_for(mine, "runs") == name


@pytest.mark.parametrize(("name", "stays"), [("d-production", True), ("old-d", True), ("d", False)])
def test_a_model_that_a_person_named_after_its_data_stays(name: str, stays: bool, tmp_path: Path) -> None:
    run = made(0)
    model_registry.register(name, run, {}, "runs")
    model_registry.register(
        f"{re.sub('[^a-z0-9]+', '-', tmp_path.name.lower())[:40].strip('-')}-d-2", made(1), {}, "runs"
    )
    assert sort_out("runs").kept == ({run.name: f"named {name}@1"} if stays else {})


def test_what_people_judged_and_what_can_go_on_stay() -> None:
    judged, begun, done = made(0), made(1), made(2)
    (judged.folder / "judgements-even.jsonl").write_text("{}\n")
    for run in (begun, done):
        run.checkpoint("last").mkdir(parents=True)
    done.model.mkdir()
    kept = sort_out("runs").kept
    assert kept == {judged.name: "holds judgements of people", begun.name: "not finished: the same command resumes it"}
    aged(begun)
    assert sort_out("runs", days=30).kept.keys() == {judged.name, done.name}, "too old to go on with"


def aged(run: Run) -> None:
    then = time.time() - 40 * 86_400
    for path in run.folder.iterdir():
        os.utime(path, (then, then))


def test_given_rows_go_with_the_last_run_that_names_them() -> None:
    Path("runs/given").mkdir(parents=True)
    for name in ("rows-a.jsonl", "rows-b.jsonl"):
        Path("runs/given", name).write_text("{}\n")
    made(0, "mine", data="runs/given/rows-a.jsonl")
    assert [path.name for path in sort_out("runs").given] == ["rows-b.jsonl"]
    assert not sort_out("runs", days=30).given, "written just now"
    assert command(["runs", "prune", "--yes"]) == 0
    assert [path.name for path in Path("runs/given").iterdir()] == ["rows-a.jsonl"]
