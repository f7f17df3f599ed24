"""Runs, models, judgements and recipes from Python: what only the command line had before."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path

import pytest

import whet
from whet.errors import InputError, RecipeError, RunFolderError
from whet.evaluation.judges import people
from whet.recipe.load import load_recipe
from whet.recipe.schema import Recipe
from whet.store.run import Run
from whet.verbs.demo import KEEP, write_demo_rows
from whet.verbs.inputs import recipe_of

EVALUATION = {
    "model": "nano",
    "metric": {"name": "exact"},
    "base": {"score": 0.25},
    "tuned": {"score": 0.75},
    "difference": {"estimate": 0.5, "scale": None},
    "verdict": {"word": "better"},
    "ship": {"answer": "yes"},
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("d.jsonl").write_text('{"prompt": "a", "completion": "b"}\n' * 8)


def done(seed: int, name: str | None = None) -> Run:
    run = Run.create("runs", Recipe(data="d.jsonl", seed=seed), name)
    run.write_json("evaluation.json", EVALUATION)
    run.model.mkdir()
    (run.model / "whet.json").write_text("{}")
    run.set_status("done")
    return run


def test_runs_are_a_list_that_shows_itself() -> None:
    assert repr(whet.runs()) == "0 runs in runs"
    first, second = done(0, "first"), done(1, "second")
    found = whet.runs()
    assert {one.name for one in found} == {first.name, second.name} and len(found[:1]) == 1
    lines = repr(found).splitlines()
    assert lines[0] == "2 runs in runs" and lines[1].split()[:2] == ["run", "status"]
    assert all(word in lines[2] for word in ("done", "auto", "nano", "exact", "25.0%", "75.0%", "better"))
    assert "<td" in found._repr_html_() and "second" in found._repr_html_()
    again = copy.copy(found)  # by the way that pickle goes
    assert repr(again) == repr(found) and again.run_root == found.run_root


def test_two_runs_are_compared_and_one_is_shown() -> None:
    for seed, name in enumerate(("first", "second")):
        done(seed, name)
    found = whet.runs()
    difference = found.diff("first", "second")
    assert difference.changed == {"recipe.seed": [0, 1]}
    assert repr(difference).splitlines()[0] == "1 difference between first and second"
    shown = found.show("first")
    assert shown.status == "done" and shown.evaluation["verdict"]["word"] == "better" and shown.ledger is None
    with pytest.raises(RunFolderError):
        found.show("third")


def test_runs_are_removed_unless_their_model_is_live() -> None:
    loose, used = done(0), done(1)
    whet.models().register("desk", used.name)
    whet.models().promote("desk", 1, force=True, why="a test")
    found = whet.runs()
    with pytest.raises(RunFolderError) as refused:
        found.remove(loose.name, used.name)
    assert "force=True" in refused.value.fix and "--" not in refused.value.fix and len(whet.runs()) == 2
    gone = found.remove(loose.name)
    assert gone.removed == [loose.name] and gone.bytes == sum(gone.freed.values()) > 0
    assert [one.name for one in found] == [used.name] and not loose.folder.exists()
    assert found.remove(used.name, force=True).removed == [used.name] and not found


def test_pruning_says_first_what_would_go() -> None:
    first, second = done(0), Run.create("runs", Recipe(data="d.jsonl", seed=1))
    second.set_status("done")
    found = whet.runs()
    would = found.prune()
    assert [one.name for one in would.would_go] == [second.name] and would.removed == [] and len(found) == 2
    assert would.kept == {first.name: "the best on its data"} and "1 run would go" in repr(would)
    assert found.prune(yes=True).removed == [second.name] and [one.name for one in found] == [first.name]


def test_models_are_named_promoted_and_rolled_back() -> None:
    models, first, second = whet.models(), done(0), done(1)
    assert models == [] and repr(models) == "0 named models in runs"
    for number, run in enumerate((first, second), start=1):
        assert models.register("desk", run.name) == {"name": "desk", "version": number, "run": run.name}
        assert models.promote("desk", number, force=True, why="a test").current == number
    assert models[0].current == 2 and [one.run for one in models[0].versions] == [first.name, second.name]
    assert "live, forced" in repr(models).splitlines()[3] and "better" in repr(models)
    assert models.roll_back("desk").current == 1 and models[0].current == 1
    second.set_status("failed")
    shutil.rmtree(second.model)
    with pytest.raises(RunFolderError, match="has no model yet, it is failed"):
        models.register("other", second)


def test_people_judge_without_knowing_whose_an_answer_is() -> None:
    run = done(0, "manners")
    lines = [
        {"row": n, "where": f"d.jsonl:{n}", "prompt": f"Question {n}?", "base": f"rude {n}", "tuned": f"kind {n}"}
        for n in range(4)
    ]
    run.write_text("answers.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    sitting = whet.judge("manners", who="anna")
    assert len(sitting) == 4 and repr(sitting).endswith("4 pairs to judge as anna")
    for question in list(sitting)[:3]:
        assert "tuned" not in repr(question) and "base" not in repr(question)
        sitting.keep(question, "left" if question.left.startswith("kind") else "right")
    assert len(whet.judge(run, who="anna")) == 1 and len(whet.judge(run, who="bert")) == 4
    found = sitting.result()
    assert found.wins == 3 and found.choices["decided"] == 3 and found.people == ["anna"]
    with pytest.raises(InputError, match="this is no choice"):
        sitting.keep(next(iter(sitting)), "lft")  # pyright: ignore[reportArgumentType]
    assert not (run.folder / people.NO_PREFERENCE).exists(), "nothing of it is kept"
    with pytest.raises(InputError) as nobody:
        whet.judge("manners", who=" ")
    assert str(nobody.value).startswith("keyword who: ") and "who='anna'" in nobody.value.fix


def test_a_recipe_is_written_that_fits_the_data() -> None:
    written = whet.init("d.jsonl")
    assert written.recipe == "d.yaml" and written.kind == "prompt-completion"
    assert written["keys"] == load_recipe("d.yaml") and Path("d.yaml").read_text("utf-8") == written.text
    with pytest.raises(RecipeError, match="this file exists") as exists:
        whet.init("d.jsonl")
    assert "force=True" in exists.value.fix and "out=" in exists.value.fix and "--" not in exists.value.fix
    assert whet.init("d.jsonl", "d.yaml", force=True) == written


def test_the_demo_from_python_is_that_of_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Recipe] = []
    monkeypatch.setattr(
        "whet.verbs.steps.main_job.tune_once", lambda data, root, *_, **keys: asked.append(recipe_of(data, keys))
    )
    whet.demo(40, 7, epochs=1)
    path, lines = write_demo_rows(40, 7, "whet-demo")
    assert asked == [load_recipe(path, [*KEEP, "epochs=1"])] and len(lines) == 40
    with pytest.raises(InputError, match="too few rows") as few:
        whet.demo(5)
    assert str(few.value).startswith("keyword rows")
