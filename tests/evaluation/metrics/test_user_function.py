"""A metric that the user writes: what it may be, what it is told, and whole runs that are decided by it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from whet import api
from whet.errors import InputError, RecipeError, RunError
from whet.evaluation.metrics import scoring as metric
from whet.evaluation.verdict import compare
from whet.recipe.load import load_recipe
from whet.types import Row

GOOD = "def closeness(answer, reference, row):\n    return {}\n"
ROW = Row(0, "rows.jsonl:1", [{"role": "assistant", "content": "blue"}], fields={"colour": "blue", "n": 3})


def written(folder: Path, body: str, name: str = "own.py") -> str:
    (folder / name).write_text(GOOD.format(body))
    return f"{folder / name}:closeness"


def test_it_is_told_answer_reference_and_columns(tmp_path: Path) -> None:
    place = written(tmp_path, "len(answer) + 10 * (reference == row['colour']) + 100 * row['n']")
    assert metric.score(place, "red", ROW).value == 313.0


def test_a_row_without_an_answer_has_an_empty_reference(tmp_path: Path) -> None:
    assert metric.score(written(tmp_path, "float(reference == '')"), "x", Row(0, "r:1")).value == 1.0


@pytest.mark.parametrize("body", ["None", "float('nan')", "'1'", "1 / 0", "row['absent']", "10**400", "exit(0)"])
def test_what_is_no_number_stops_the_evaluation_and_names_the_row(tmp_path: Path, body: str) -> None:
    with pytest.raises(RunError, match="rows.jsonl:1"):
        metric.score(written(tmp_path, body), "red", ROW)


def test_a_number_of_numpys_is_a_number(tmp_path: Path) -> None:
    assert metric.score(written(tmp_path, "__import__('numpy').float32(0.5)"), "red", ROW).value == 0.5


def test_a_function_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "import itertools\nn = itertools.count()\ndef f(answer, reference, row):\n    return next(n)\n"
    )
    with pytest.raises(RunError, match="differently when asked again"):
        metric.score(f"{tmp_path / 'own.py'}:f", "red", ROW)


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    place = written(tmp_path, "1")
    assert metric.score(place, "red", ROW).value == 1.0
    written(tmp_path, "2")
    os.utime(tmp_path / "own.py", ns=(1, 1))
    assert metric.score(place, "red", ROW).value == 2.0


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("def other(a, b, c): ...", "no function"),
        ("def f(answer): ...", "three arguments"),
        ("import absent_", "imported"),
    ],
)
def test_what_is_wrong_with_the_file_is_told_before_the_data_is_read(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "own.py").write_text(text)
    (tmp_path / "r.yaml").write_text("data: nowhere.jsonl\nevaluate: {metric: 'own.py:f'}\n")
    with pytest.raises(InputError, match=word):
        api.tune(tmp_path / "r.yaml", run_root=tmp_path / "runs")


def test_the_file_stands_beside_the_recipe_and_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    for name, allowed in (("own.py:f", True), ("../own.py:f", False), ("/etc/own.py:f", False)):
        (tmp_path / "inner" / "r.yaml").write_text(f"data: x.jsonl\nevaluate: {{metric: '{name}'}}\n")
        if allowed:
            assert (
                load_recipe(tmp_path / "inner" / "r.yaml").evaluate.metric == str(tmp_path / "inner" / "own.py") + ":f"
            )
        else:
            with pytest.raises(RecipeError, match="out of the recipe's folder"):
                load_recipe(tmp_path / "inner" / "r.yaml")


def test_a_name_that_is_neither_built_in_nor_a_function_is_refused_with_the_nearest() -> None:
    with pytest.raises(RecipeError, match="exact-match"):
        load_recipe({"data": "x.jsonl", "evaluate": {"metric": "exact-mtch"}})


def test_methods_without_answers_refuse_it() -> None:
    with pytest.raises(RecipeError, match="dpo has none"):
        load_recipe({"data": "x.jsonl", "method": "dpo", "evaluate": {"metric": "own.py:f"}})


def test_scores_outside_0_to_1_are_told_as_they_are() -> None:
    difference, verdict = compare([3.0, 5.0, 9.0, 4.0] * 10, [8.0, 9.0, 15.0, 9.5] * 10)
    assert difference.scale == 12.0 and "+5.12 (95% interval" in verdict.sentence and "points" not in verdict.sentence
    same = compare([3.0, 5.0, 9.0, 4.0] * 100, [3.001, 5.0, 9.0, 3.999] * 100)[1]
    assert same.word == "no-difference" and "0.12, 2% of the range of the scores" in same.sentence
    assert compare([300.0, 500.0] * 50, [300.0, 505.0] * 50)[1].word == "better", "p and interval are free of scale"


def rows_and_recipe(folder: Path, body: str, more: str = "") -> Path:
    """Answers of several lengths, so that a constant one is not as good as what reads."""
    codes = [str(n * 37 % 100) * (1 + n % 4) for n in range(60)]
    rows = [{"prompt": f"Say the code {code}.", "completion": f"The code is {code}.", "wanted": code} for code in codes]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    written(folder, body)
    keys = "split: {near_duplicates: false, test: 20}\nsteps: 30\nlearning_rate: 0.006\n"
    wanted = f"evaluate: {{forgetting: false, metric: 'own.py:closeness', against: [base]{more}}}\n"
    (folder / "recipe.yaml").write_text(f"data: rows.jsonl\n{keys}{wanted}")
    return folder / "recipe.yaml"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_is_decided_by_it(here: Path) -> None:
    recipe = rows_and_recipe(here, "float(f\"is {row['wanted']}.\" in answer)")
    result = api.tune(recipe, run_root=here / "runs")
    assert result["metric"] == {"name": f"{here}/own.py:closeness", "reason": "asked for in the recipe"}
    assert result["verdict"]["word"] == "better" and result["difference"]["scale"] is None
    assert result["difference"]["test"] == "McNemar's mid-p", "0 and 1 are told by looking at the scores"
    page, drawn = Path(result["report"]).read_text("utf-8"), section_of(result["report"])
    assert "own.py:closeness: asked for in the recipe" in drawn and str(here) not in drawn
    assert f"{100 * result['tuned']['score']:.1f}%" in page
    again = api.evaluate(result["run"], run_root=here / "runs", anew=True)
    assert again["tuned"]["score"] == result["tuned"]["score"]


def test_a_run_with_scores_of_any_size_is_told_without_percent(here: Path) -> None:
    recipe = rows_and_recipe(here, "-3.0 * abs(len(answer) - len(reference)) - 1.0")
    result = api.tune(recipe, run_root=here / "runs")
    assert result["tuned"]["score"] > result["base"]["score"] and result["difference"]["scale"] > 1
    assert result["verdict"]["word"] == "better" and "points" not in result["verdict"]["sentence"]
    section = section_of(result["report"])
    assert "points" not in section and "%<" not in section.replace("95%", "")
    from whet.cli import render
    from whet.reports.sections.evidence.difference import verdict_lines

    [framed] = verdict_lines(result)
    shown = render_text(render.frame(framed))  # type: ignore[arg-type]
    assert f"tuned {result['tuned']['score']:.3g}" in shown and "+100 points" not in shown


def section_of(report: str) -> str:
    """Base against tuned, in the page."""
    return Path(report).read_text("utf-8").split('<section id="difference"')[1].split("</section>")[0]


def render_text(panel: Any) -> str:
    from rich.console import Console

    console = Console(width=100, record=True, file=open(os.devnull, "w"))
    console.print(panel)
    return console.export_text()
