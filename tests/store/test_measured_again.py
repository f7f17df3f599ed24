"""The list of models says what the newest evaluation of a run says, and never changes by itself what is live."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.notes import Notes
from whet.cli.main import run as command
from whet.recipe.schema import Recipe
from whet.store import model_registry
from whet.store.run import Run
from whet.verbs import evaluate as job
from whet.verbs.steps.stages import reregister


def evaluation(answer: str, word: str = "better") -> dict[str, Any]:
    lost = [] if answer == "yes" else [{"what": "General text", "word": "lost", "name": "general-text", "rows": 4}]
    return {
        "metric": {"name": "accuracy"},
        "base": {"score": 0.25},
        "tuned": {"score": 0.75},
        "verdict": {"word": word, "sentence": "s", "rows_needed": None},
        "forgetting": {"word": "kept", "broken": [one["what"] for one in lost], "unclear": [], "measures": lost},
        "ship": {"answer": answer, "sentence": "s"},
    }


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    data = tmp_path / "d.jsonl"
    data.write_text("{}\n")
    for name in ("one", "other"):
        run = Run.create(tmp_path / "runs", Recipe(data=str(data)), name)
        model_registry.register("desk", run, model_registry.facts_of(evaluation("yes")), tmp_path / "runs")
    model_registry.promote("desk", 1, tmp_path / "runs")
    return tmp_path / "runs"


def test_a_run_that_is_measured_again_is_listed_as_it_is_now(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, run = Notes(), Run.open("one", runs)
    reregister(run, evaluation("no"), watch)
    (model,) = model_registry.list_models(runs)
    assert [one.facts["ship"]["answer"] for one in model.versions] == ["no", "yes"]
    assert model.versions[0].facts["scores"] == {"base": 0.25, "tuned": 0.75}
    assert model.current == 1, "what is live is for people to change"
    assert "it is live" in watch.notes[0] and "whet models rollback desk" in watch.notes[0]
    lines = model_registry.registry_file(runs).read_text()
    reregister(run, evaluation("no"), watch)
    assert model_registry.registry_file(runs).read_text() == lines, "the same again adds nothing"
    monkeypatch.setenv("COLUMNS", "200")
    assert command(["models", "--runs", str(runs), "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["models"][0]["versions"][0]["facts"]["ship"]["answer"] == "no"
    assert "better" in said.err and "no" in said.err and "ship it?" in said.err


def test_a_version_that_became_good_enough_is_offered(runs: Path) -> None:
    watch = Notes()
    reregister(Run.open("other", runs), evaluation("yes"), watch)
    assert "whet models promote desk 2" in watch.notes[0]
    assert model_registry.find_model("desk", runs).current == 1


def test_a_run_that_is_no_version_is_left_alone(runs: Path, tmp_path: Path) -> None:
    lone = Run.create(tmp_path / "elsewhere", Recipe(data=str(tmp_path / "d.jsonl")), "lone")
    assert model_registry.measured_again(lone, evaluation("yes")) == []
    assert not model_registry.registry_file(tmp_path / "elsewhere").exists()


def test_eval_says_so(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the measuring itself is replaced."""
    for name, given in {
        "read_facts": {}, "refuse_unmeasurable": None, "open_session": None, "rescale_if_asked": None,
        "training_cost": {}, "evaluate_run": evaluation("no"), "try_write_golden": None,
    }.items():  # fmt: skip
        monkeypatch.setattr(job, name, lambda *_, given=given: given)
    job.evaluate("desk", run_root=runs)
    assert model_registry.find_model("desk", runs).versions[0].facts["ship"]["answer"] == "no"


def test_what_was_measured_already_is_listed_too(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the process ended between the evaluation and the list, or the list was put back."""
    run, watch = Run.open("one", runs), Notes()
    (run.folder / "report.html").write_text("")
    for name, given in {"read_facts": {}, "refuse_unmeasurable": None, "recorded": evaluation("no")}.items():
        monkeypatch.setattr(job, name, lambda *_, given=given: given)
    for _ in range(2):
        job.evaluate(run, run_root=runs, observer=watch)
    assert model_registry.find_model("desk", runs).versions[0].facts["ship"]["answer"] == "no"
    assert len([note for note in watch.notes if "desk@1 is this run" in note]) == 1
