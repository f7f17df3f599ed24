"""What the verbs give to Python: the keys of --json, read at a glance, and safe to show in a notebook."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.reports.made_up_run import write_run
from whet.errors import InputError
from whet.reports.result import CheckResult, CompareResult, Result, RunResult, ShowResult

SCRIPT = "<script>alert(1)</script>\x1b[2J"


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    folder = write_run(tmp_path_factory.mktemp("result") / "tickets-1a2b3c4d", rows=60, steps=30)
    return RunResult(json.loads((folder / "evaluation.json").read_text()), folder)


def test_it_is_the_dictionary_of_json_and_its_keys_are_attributes(result: RunResult) -> None:
    assert isinstance(result, dict) and json.loads(json.dumps(result)) == result
    assert result.verdict is result["verdict"] and result.run == "tickets-1a2b3c4d"
    with pytest.raises(AttributeError, match="did you mean 'verdict'"):
        _ = result.verdct
    assert {"verdict", "run", "plot", "keys"} <= set(dir(result))
    again = copy.deepcopy(result)
    assert again == result and again.folder == result.folder and type(again) is RunResult


def test_a_glance_says_what_matters(result: RunResult) -> None:
    lines = repr(result).splitlines()
    assert lines[0] == f"run tickets-1a2b3c4d: {result.verdict['word']}"
    for name in ("verdict", "should it be used?", "rows", "effort", "report"):
        assert any(line.startswith(f"  {name} ") for line in lines), name
    assert any("the base with three examples" in line for line in lines)
    assert str(result) == repr(result)


def test_the_view_of_a_notebook_is_whole_and_needs_no_network(result: RunResult) -> None:
    page = result._repr_html_()
    tree = ElementTree.fromstring(page)
    assert tree.find(".//{http://www.w3.org/2000/svg}svg") is not None, "the loss curve"
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|<script|<link|<img|@import|url\(", page)


def test_what_the_data_says_is_shown_and_not_obeyed(result: RunResult) -> None:
    hostile = RunResult({**result, "run": SCRIPT, "model": SCRIPT}, result.folder)
    hostile["verdict"] = {**result["verdict"], "sentence": SCRIPT, "against": [
        {**one, "label": SCRIPT} for one in result["verdict"]["against"]
    ]}  # fmt: skip
    row = {"where": SCRIPT, "pieces": [(SCRIPT, True)]}
    finding = {"severity": "info", "code": SCRIPT, "message": SCRIPT, "fix": SCRIPT}
    checked = {"rows": 1, "kind": SCRIPT, "findings": [finding], "refused": None, "notes": [SCRIPT]}
    checked["power"] = {"sentence": SCRIPT}
    for shown in (hostile, ShowResult({"rows": [row]}), CheckResult(checked), Result({SCRIPT: SCRIPT})):
        page = shown._repr_html_()
        assert "<script" not in page and "\x1b" not in page, type(shown)
        assert "\x1b" not in repr(shown), type(shown)
        ElementTree.fromstring(page)


def test_plot_draws_the_loss_and_saves_it(result: RunResult, tmp_path: Path) -> None:
    picture = result.plot()
    assert picture._repr_svg_() == picture.svg
    tree = ElementTree.fromstring(picture.svg)
    title = tree.findtext("{http://www.w3.org/2000/svg}title") or ""
    assert title.startswith("Loss") and "validation loss from" in title
    assert picture.save(tmp_path / "loss.svg").read_text() == picture.svg


def test_a_run_without_steps_has_no_curve(result: RunResult, tmp_path: Path) -> None:
    bare = RunResult(dict(result), tmp_path)
    with pytest.raises(InputError, match="no step of this run was logged"):
        bare.plot()
    for lines in ("", '{"step": 3, "validation_seconds": 1}\n', "{damaged\n{}\n"):
        (tmp_path / "metrics.jsonl").write_text(lines)
        assert "<svg" not in bare._repr_html_() and "verdict" in bare._repr_html_()


def test_a_check_says_what_was_found_and_what_would_be_refused() -> None:
    facts: dict[str, Any] = {
        "rows": 2, "kind": "chat", "findings": [{"severity": "warning", "code": "html", "message": "m", "fix": "f"}],
        "refused": {"what": "no row can be used", "where": "", "fix": "bring others"},
        "power": {"sentence": "they show nothing"}, "notes": ["a note"],
    }  # fmt: skip
    shown = repr(CheckResult(facts))
    assert shown.splitlines()[0] == "check: 2 chat rows, 1 finding"
    for words in ("no row can be used; fix: bring others", "warning: html", "they show nothing", "a note"):
        assert words in shown


def test_a_comparison_lists_its_arms() -> None:
    arm = {"label": "the base", "score": 0.5, "low": 0.4, "high": 0.6}
    facts = {"arms": [arm], "scale": None, "metric": {"name": "json"}, "report": "r.html"}
    shown = repr(CompareResult(facts | {"verdict": {"word": "better", "sentence": "Tune."}}))
    assert "compare: better" in shown and "the base  50.0%  40.0% to 60.0%" in shown
