"""A run is removed whole, and never under somebody who works on it or uses its model."""

from __future__ import annotations

from pathlib import Path

import pytest

from whet.cli.main import run as whet
from whet.errors import RunFolderError
from whet.recipe.schema import Recipe
from whet.store import model_registry
from whet.store.removal import remove_runs
from whet.store.run import Run


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("d.jsonl").write_text("x")


def made(name: str, seed: int) -> Run:
    return Run.create("runs", Recipe(data="d.jsonl", seed=seed), name)


def test_runs_are_removed_and_the_data_stays(capsys: pytest.CaptureFixture[str]) -> None:
    one, other, kept = made("one", 0), made("other", 1), made("kept", 2)
    assert whet(["runs", "rm", "one", "other"]) == 0
    assert "one is removed" in capsys.readouterr().out
    assert not one.folder.exists() and not other.folder.exists() and kept.folder.exists() and Path("d.jsonl").exists()


def test_where_one_is_refused_none_is_removed() -> None:
    one, busy = made("one", 0), made("busy", 1)
    with busy.lock, pytest.raises(RunFolderError, match="at work"):
        remove_runs(["one", "busy"], "runs")
    with pytest.raises(RunFolderError, match="there is no run 'onee'"):
        remove_runs(["one", "onee"], "runs")
    model_registry.register("desk", one, {})
    model_registry.promote("desk", 1, "runs")
    with pytest.raises(RunFolderError, match="live as desk@1"):
        remove_runs(["one"], "runs")
    assert one.folder.exists() and busy.folder.exists()
    assert list(remove_runs(["one"], "runs", force=True)) == ["one"] and not one.folder.exists()


def test_a_run_that_is_named_by_its_folder_is_looked_up_where_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    there, here = Run.create("elsewhere", Recipe(data="d.jsonl", seed=0), "one"), made("one", 1)
    model_registry.register("desk", there, {})
    model_registry.promote("desk", 1, "elsewhere")
    with pytest.raises(RunFolderError, match="live as desk@1"):
        remove_runs(["elsewhere/one"], "runs")
    with monkeypatch.context() as moved:
        moved.chdir(there.folder)
        with pytest.raises(RunFolderError, match="live as desk@1"):
            remove_runs(["."], "runs")
    remove_runs(["one", "elsewhere/one"], "runs", force=True)
    assert not here.folder.exists() and not there.folder.exists()
