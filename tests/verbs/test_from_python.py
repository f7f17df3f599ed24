"""Whet as a package: rows in, results out, and errors that speak of keywords."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import whet
from whet.errors import InputError, RecipeError, RunFolderError
from whet.reports.result import CheckResult, RunResult, ShowResult
from whet.store.run import Run
from whet.store.unchanged import refuse_changed_data
from whet.verbs.inputs import recipe_of

ROWS = [{"prompt": f"Where is order {number}?", "completion": ["sent", "lost"][number % 2]} for number in range(60)]
APART = [{"prompt": f"And parcel {number}?", "completion": "sent"} for number in range(8)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunResult]:
    root = tmp_path_factory.mktemp("python")
    return root, whet.train(ROWS, out=root, base="nano", method="sft", seed=1, test=APART, steps=np.int64(2))


def test_rows_are_trained_on_and_the_same_rows_find_the_run_again(trained: tuple[Path, RunResult]) -> None:
    root, result = trained
    assert result.run.startswith("rows-") and result.folder == root / result.run
    assert result.ledger["rows_in"] == 68 and result.ledger["held_out"]["test"] == 8
    pandas = pytest.importorskip("pandas")
    tables = [pandas.DataFrame(rows) for rows in (ROWS, APART)]
    before = (result.folder / "metrics.jsonl").read_bytes()
    again = whet.train(tables[0], run_root=root, base="nano", method="sft", seed=1, test=tables[1], steps=2)
    assert again.run == result.run and (again.folder / "metrics.jsonl").read_bytes() == before, "nothing anew"
    other = recipe_of(ROWS[:-1], {"test": APART, "steps": 2}, root)
    assert other.data != Run.open(result.run, root).recipe.data


def test_a_run_from_rows_is_one_of_files_to_a_later_process(trained: tuple[Path, RunResult]) -> None:
    root, result = trained
    run = Run.open(result.run, root)
    refuse_changed_data(run)
    assert [json.loads(line) for line in Path(str(run.recipe.data)).read_text().splitlines()] == ROWS
    assert repr(run) == f"Run({str(root / result.run)!r}): done"


def test_the_result_of_a_training_reads_at_a_glance(trained: tuple[Path, RunResult]) -> None:
    shown = repr(trained[1])
    assert shown.startswith(f"run {trained[1].run}: not measured") and "68: " in shown
    assert "validation loss" in trained[1].plot().svg


def test_check_and_show_take_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    checked = whet.check(ROWS, out="elsewhere", only=["html"])
    assert isinstance(checked, CheckResult) and checked.rows == 60 and "60 prompt-completion rows" in repr(checked)
    shown = whet.show({name: [row[name] for row in ROWS] for name in ROWS[0]}, rows=1, out="elsewhere")
    assert Path("elsewhere/given").is_dir() and not Path("runs").exists()
    assert isinstance(shown, ShowResult) and "«sent" in repr(shown)


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"epochs": 0}, "keyword epochs: epochs must be above 0"),
        ({"adapter": {"rank": "x"}}, "keyword adapter: adapter.rank must be a whole number"),
        ({"adapter.rank": "x"}, "keyword adapter.rank: adapter.rank must be a whole number"),
        ({"learning_rate": float("nan")}, "keyword learning_rate: learning_rate must be"),
        ({"test": []}, "test: there are no rows"),
        ({"nam": "x"}, "keyword nam: unknown key 'nam'"),
        ({"output_dir": "x"}, "name the folder of runs with out=FOLDER"),
    ],
)
def test_a_wrong_keyword_is_named(keywords: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        whet.tune(ROWS, out=tmp_path, **keywords)
    assert words in str(raised.value) and "--" not in str(raised.value)


def test_what_the_verbs_refuse_speaks_of_keywords_too(trained: tuple[Path, RunResult], tmp_path: Path) -> None:
    root, result = trained
    with pytest.raises(RunFolderError) as taken:
        whet.tune(ROWS, out=root, name=result.run)
    assert "choose another name=" in str(taken.value)
    with pytest.raises(InputError) as left_out:
        whet.check(ROWS, run_root=tmp_path, skip=["contamination"], against=["x.jsonl"])
    assert str(left_out.value).startswith("keyword against: ")
    with pytest.raises(RecipeError) as typed:
        whet.load_recipe({"data": "x.jsonl"}, ["adapter.rank=x"])
    assert "--set" not in str(typed.value)


@pytest.mark.parametrize("text", ["Be brief. # never lie", "One.\n\n  Two.\n", "null", "Answer: yes", "7", "[a]"])
def test_a_text_is_taken_as_it_stands(text: str, tmp_path: Path) -> None:
    keywords = {"system": text, "columns.label": text, "method": "{kind: sft}", "seed": "3"}
    for recipe in (
        recipe_of(ROWS, keywords, tmp_path),
        recipe_of({"data": ROWS, "system": text, "seed": "3", "method": "sft"}, {"columns.label": text}, tmp_path),
    ):
        assert (recipe.system, recipe.columns.label, recipe.seed, recipe.method.kind) == (text, text, 3, "sft")
        run = Run.create(tmp_path / "runs", recipe)
        assert run.recipe.system == run.requested.system == text
    baked = recipe_of(ROWS, {"method": "bake", "method.prompt": text}, tmp_path)
    assert baked.method.prompt == text  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("data", [5, None, 2.5])
def test_what_is_no_data_is_told_so(data: Any) -> None:
    with pytest.raises(InputError, match="this is no data: it is of type"):
        whet.tune(data)


def test_several_files_are_one_set_of_data(tmp_path: Path) -> None:
    names = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for name in names:
        name.write_text(json.dumps(ROWS[0]) + "\n")
    assert recipe_of(names, {}, tmp_path).data == [str(name) for name in names]


def test_importing_whet_is_light_and_its_modules_are_reached() -> None:
    code = "import sys, whet; whet.errors.InputError; whet.load_recipe; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert whet.__getattr__("api") is sys.modules["whet.api"], "as whet.api.train, before any verb was called"


def test_too_few_rows_are_told_the_keyword(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        whet.check(ROWS[:2], run_root=tmp_path, only=["html"])
    assert "split={'validation': 0, 'test': 0}" in raised.value.fix and "--set" not in raised.value.fix


def test_an_answer_takes_the_keywords_of_a_sampling_and_no_other() -> None:
    session = whet.chat("nano")
    with pytest.raises(InputError, match="takes no 'max_tokens'; did you mean 'max_new_tokens'"):
        next(session.reply([{"role": "user", "content": "Hi."}], max_tokens=5))
