"""docs/running/python.md: its functions are there with the arguments that it names, and its examples run."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

import whet
from tests.cli.conftest import RESULT
from whet import api
from whet.cli.verb_list import whole_app
from whet.observer import Silent
from whet.reports.result import RunResult
from whet.store.run import Run
from whet.verbs.inputs import recipe_of

PAGE = Path(__file__).parents[2] / "docs" / "running" / "python.md"
CALLS = re.findall(r"^\| `(whet\.[^`]+)` \|", PAGE.read_text("utf-8"), flags=re.MULTILINE)
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
ROWS = [{"prompt": f"Where is order {n}?", "completion": ["sent", "lost"][n % 2]} for n in range(40)]


def named(path: str) -> Any:
    """What stands at a dotted path, from `whet` on."""
    found = importlib.import_module("whet")
    for part in path.split(".")[1:]:
        found = getattr(found, part)
    return found


def test_the_table_has_every_verb() -> None:
    told = {written.partition("(")[0].removeprefix("whet.") for written in CALLS}
    assert {*api.__all__} - {"prepare_view"} <= told


@pytest.mark.parametrize("written", CALLS)
def test_every_function_of_the_page_exists(written: str) -> None:
    call = ast.parse(written.replace(", ...", "").replace("**keys", "**{}"), mode="eval").body
    assert isinstance(call, ast.Call)
    function = named(ast.unparse(call.func))
    assert callable(function) and not inspect.ismodule(function)
    takes = inspect.signature(function).parameters
    named_arguments = {keyword.arg for keyword in call.keywords if keyword.arg}
    assert named_arguments <= set(takes), f"{written} takes {sorted(takes)}"


def tuned(data: Any, run_root: Any = "runs", name: Any = None, observer: Any = None, *_: Any, **keys: Any) -> RunResult:
    """A tune without the training: recipe and run are made as always."""
    run = Run.create(run_root, recipe_of(data, keys, run_root), name)
    run.log({"step": 1, "loss": 2.0})
    run.log({"step": 2, "loss": 1.0})
    (observer or Silent()).step(2, 2, {"loss": 1.0})
    result = {**RESULT, "run": run.name}
    run.write_json("evaluation.json", result)
    answer = {"row": 0, "where": "a:1", "prompt": "Where?", "base": "no", "tuned": "sent"}
    run.write_text("answers.jsonl", json.dumps(answer) + "\n")
    run.model.mkdir(exist_ok=True)
    (run.model / "whet.json").write_text("{}")
    run.set_status("done")
    return RunResult(result, run.folder)


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("whet.verbs.steps.main_job.tune_once", tuned)
    Path("tickets.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    whet.tune("tickets.jsonl", name="rank-16", adapter={"kind": "lora", "rank": 16})
    columns = {key: [row[key] for row in ROWS] for key in ROWS[0]}
    given = {"frame": columns, "sets": {"train": ROWS, "test": ROWS[:5]}}
    names: dict[str, Any] = {**given, "prompts": columns["prompt"], "answers": columns["completion"]}
    for example in EXAMPLES:
        exec(compile(example, str(PAGE), "exec"), names)
    shown = capsys.readouterr().out
    assert "better 0.5 1.0" in shown and "support-desk 1 [ModelVersion" in shown and "\n2 1.0\n" in shown
    assert Path("loss.svg").exists() and {one.name for one in names["runs"]} >= {"rank-8"}
    assert "rank-16" not in {one.name for one in names["runs"]}


# ---- one list of verbs


def test_the_list_of_verbs_holds_no_code() -> None:
    lines = ast.parse(Path(str(api.__file__)).read_text("utf-8")).body
    assert isinstance(lines[0], ast.Expr) and isinstance(lines[-1], ast.Assign)
    assert all(isinstance(line, ast.ImportFrom) for line in lines[1:-1])


def test_python_has_every_verb_of_the_command_line() -> None:
    command: Any = typer.main.get_command(whole_app())
    words = {"eval": "evaluate", "import": "import_model"}  # what Python keeps for itself
    service = {"serve", "studio", "keys"}  # processes of their own and their keys, which rooms above the verbs run
    assert {words.get(name, name) for name in command.commands} - service <= {*api.__all__}


# ---- what an editor and help() see


def test_every_verb_says_what_it_takes() -> None:
    for name in api.__all__:
        verb = getattr(whet, name)
        assert inspect.isfunction(verb) and verb is getattr(api, name) and inspect.getdoc(verb), name
        hints = inspect.get_annotations(verb)
        assert set(hints) == {*inspect.signature(verb).parameters, "return"}, name
    assert next(iter(inspect.signature(whet.tune).parameters)) == "data"


def test_a_type_checker_is_told_the_same_names() -> None:
    """Names come on first use, which no type checker follows; so they are imported for it alone."""
    [block] = [node for node in ast.parse(Path(whet.__file__).read_text("utf-8")).body if isinstance(node, ast.If)]
    imported = {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert imported == {*whet.__all__} - {"__version__"} and {*api.__all__} <= imported


def test_what_needs_no_torch_loads_none() -> None:
    code = "import sys, whet; whet.runs, whet.models, whet.judge, whet.init; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
