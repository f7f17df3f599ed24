"""The index says what the folders say, and can always be rebuilt from them."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from whet.errors import RunFolderError
from whet.recipe.schema import Recipe
from whet.store import model_registry
from whet.store.environment import environment
from whet.store.index import list_runs, rebuild
from whet.store.run import Run


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(name: str) -> Run:
    run = Run.create("runs", Recipe(data="org/set"), name=name)
    run.set_status("done")
    return run


def test_a_listing_follows_the_folders() -> None:
    assert list_runs("runs") == []
    run = make("a")
    make("b")
    assert [(r.name, r.status, r.data, r.base_score) for r in list_runs()] == [
        ("b", "done", "org/set", None),
        ("a", "done", "org/set", None),
    ]
    run.write_json(
        "evaluation.json",
        {"metric": {"name": "json"}, "base": {"score": 0.1}, "tuned": {"score": 0.9}, "verdict": {"word": "better"}},
    )
    shutil.rmtree("runs/b")
    assert [(r.name, r.metric, r.base_score, r.tuned_score, r.verdict) for r in list_runs()] == [
        ("a", "json", 0.1, 0.9, "better")
    ]


def test_the_index_is_rebuilt_from_the_folders() -> None:
    make("a")
    before = list_runs()
    assert rebuild("runs") == before
    Path("runs/index.sqlite").write_bytes(b"rubbish" * 1000)
    assert list_runs() == before
    with sqlite3.connect("runs/index.sqlite") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert list_runs() == before


def test_a_damaged_run_is_listed_with_its_problem() -> None:
    make("good")
    (make("bad").folder / "recipe.yaml").write_text("data: [")
    make("worse")
    Path("runs/worse/run.json").write_text("5")
    found = {run.name: run for run in list_runs()}
    assert found["good"].problem is None
    assert found["bad"].status == "damaged" and "not sound YAML" in (found["bad"].problem or "")
    assert found["worse"].status == "damaged"


def test_a_run_whose_process_died_is_interrupted() -> None:
    run = make("a")
    with run.lock:
        run.set_status("training")
        assert list_runs()[0].status == "training"
    assert list_runs()[0].status == "interrupted"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_can_not_be_written_can_still_be_listed() -> None:
    make("a")
    os.chmod("runs", 0o500)
    try:
        assert [run.name for run in list_runs()] == ["a"]
    finally:
        os.chmod("runs", 0o700)


def test_versions_are_registered_promoted_and_rolled_back() -> None:
    first, second = make("a"), make("b")
    assert model_registry.register("desk", first, {"score": 0.5}) == 1
    assert model_registry.register("desk", second, {}) == 2
    assert model_registry.register("desk", first, {"score": 0.5}) == 1, "the same run again keeps its version"
    with pytest.raises(RunFolderError, match="no version of model 'desk' is live"):
        model_registry.find_run("desk", "runs")
    model_registry.promote("desk", 1, "runs")
    model_registry.promote("desk", 2, "runs")
    assert model_registry.find_run("desk", "runs").name == "b"
    assert model_registry.find_run("desk@1", "runs").name == "a"
    assert model_registry.find_run("a", "runs").name == "a"
    assert model_registry.roll_back("desk", "runs") == 1
    assert model_registry.find_run("desk", "runs").name == "a"
    with pytest.raises(RunFolderError, match="no earlier promoted version"):
        model_registry.roll_back("desk", "runs")
    (model,) = model_registry.list_models("runs")
    assert (model.name, model.current, [v.run for v in model.versions]) == ("desk", 1, ["a", "b"])


def test_wrong_names_and_versions_are_refused() -> None:
    run = make("a")
    model_registry.register("desk", run, {})
    with pytest.raises(RunFolderError, match="did you mean 'desk'"):
        model_registry.promote("deks", 1, "runs")
    for version in (0, 2, -1):
        with pytest.raises(RunFolderError, match=f"has no version {version}"):
            model_registry.promote("desk", version, "runs")
    with pytest.raises(RunFolderError, match="a version is a number"):
        model_registry.find_run("desk@new", "runs")
    with pytest.raises(RunFolderError, match="can not be the name of a model"):
        model_registry.register("a/b", run, {})


def test_the_environment_holds_versions_and_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_very_secret")
    facts = environment()
    assert facts["python"].startswith("3.") and facts["packages"]["pydantic"] and facts["memory_bytes"] > 0
    assert "secret" not in str(facts) and facts["git"] is None


def test_files_of_one_name_in_other_folders_are_other_models(tmp_path: Path) -> None:
    root, made = tmp_path / "runs", []
    for place in ("may/d.jsonl", "june/d.jsonl", "old/june/d.jsonl", "may/d.jsonl"):
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{len(made)}")
        run = Run.create(root, Recipe(data=str(path)))
        name = model_registry.name_for(run, root)
        made.append(f"{name}@{model_registry.register(name, run, {}, root)}")
    assert made == ["d@1", "june-d@1", "june-d-2@1", "d@2"], "more rows in the same file make another version"
    named = Run.create(root, Recipe(data=str(tmp_path / "may" / "d.jsonl"), seed=1), "mine")
    assert model_registry.name_for(named, root) == "mine"
