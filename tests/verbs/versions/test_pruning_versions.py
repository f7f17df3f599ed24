"""`whet models prune` lists first, and never touches what is live, pinned, best, or the way back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import whet
from tests.hand_made_runs import hand_made
from whet.cli.main import run as command
from whet.errors import RunFolderError
from whet.store import model_registry
from whet.verbs.models import ModelList

Capture = pytest.CaptureFixture[str]
SCORES = (0.5, 0.9, 0.6, 0.7, 0.8, 0.55)
"""Of versions 1 to 6: the second is the best."""


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelList:
    """Version 4 is live, 3 was before, 1 was before that, 5 is pinned, and 6 is an idle candidate."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    Path("d.jsonl").write_text("{}\n")
    found = whet.models()
    for number, score in enumerate(SCORES, start=1):
        hand_made("runs", f"v{number}", weights=f"{number}", score=score, seed=number)
        found.register("desk", f"v{number}")
    for number in (1, 3, 4):
        model_registry.promote("desk", number, "runs")
    found.pin("desk", 5)
    return found


def there() -> set[str]:
    return {path.parent.name for path in Path("runs").glob("*/run.json")}


def test_what_is_held_stays_and_the_rest_is_listed_first(models: ModelList, capsys: Capture) -> None:
    assert command(["models", "prune", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["removed"] == [] and [one["versions"] for one in told["would_go"]] == [["desk@1"], ["desk@6"]]
    assert told["kept"] == {
        "desk@2": "the best of desk by exact",
        "desk@3": "what a rollback of desk would make live",
        "desk@4": "live as desk@4",
        "desk@5": "pinned as desk@5",
    }
    assert len(there()) == 6, "nothing goes without --yes"
    assert command(["models", "prune", "desk"]) == 0
    assert "nothing was removed; --yes removes 2 runs" in capsys.readouterr().out
    assert command(["models", "prune", "desk", "--yes"]) == 0 and there() == {"v2", "v3", "v4", "v5"}
    again = whet.models()
    assert [one.stage for one in again[0].versions][3] == "live" and "retired, gone" in repr(again)
    assert again.prune().would_go == [] and again.roll_back("desk").current == 3


def test_unpinned_and_overtaken_versions_go(models: ModelList) -> None:
    models.unpin("desk", 5)
    assert models.prune("desk", yes=True).removed == ["desk@1", "desk@5", "desk@6"] and "v5" not in there()


def test_what_is_best_is_so_among_those_that_are_there(models: ModelList) -> None:
    models.pin("desk", 1)
    whet.runs().remove("v2")
    assert models.prune().kept["desk@5"] == "pinned as desk@5" and "desk@2" not in models.prune().kept
    models.unpin("desk", 5)
    assert models.prune().kept["desk@5"] == "the best of desk by exact"


def test_what_is_live_under_another_name_or_taught_another_stays(models: ModelList) -> None:
    models.register("help", "v1")
    model_registry.promote("help", 1, "runs")
    hand_made("runs", "pupil", method={"kind": "distil", "teacher": "v6"})
    kept = models.prune("desk").kept
    assert kept["desk@1"] == "live as help@1" and kept["desk@6"] == "named in the recipe of pupil"


def test_young_runs_and_runs_at_work_stay(models: ModelList) -> None:
    assert models.prune(days=1).would_go == []
    run = model_registry.find_run("desk@6", "runs")
    with run.lock:
        assert models.prune("desk", yes=True).kept["desk@6"] == "at work"
    assert there() == {"v2", "v3", "v4", "v5", "v6"}


def test_a_candidate_that_its_name_stands_for_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("d.jsonl").write_text("{}\n")
    found = whet.models()
    for number, score in enumerate((0.9, 0.5), start=1):
        found.register("desk", hand_made("runs", f"v{number}", score=score, seed=number))
    assert found.prune().kept["desk@2"] == "what desk stands for until a version is live"
    assert whet.runs().prune().kept == {"v1": "named desk@1", "v2": "what desk stands for: desk@2"}


def test_a_pinned_run_is_kept_by_the_other_verbs_too(models: ModelList) -> None:
    assert whet.runs().prune().kept["v5"] == "pinned as desk@5"
    with pytest.raises(RunFolderError, match="the model of this run is pinned as desk@5") as refused:
        whet.runs().remove("v5")
    assert "whet models unpin desk 5" in refused.value.fix and "v5" in there()


def test_without_models_there_is_nothing_to_prune(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command(["models", "prune", "--yes"]) == 0 and "nothing to remove" in capsys.readouterr().out
