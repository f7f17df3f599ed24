"""Runs that an older version of whet left are listed, shown, reported, opened and resumed by this one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import whet
import whet.api
from tests.golden.compare import unequal
from tests.golden.old_runs.make import METHODS, STOPPED, unpack
from tests.golden.places import find

ARCHIVES = sorted((Path(__file__).parent / "old_runs").glob("*.tar.xz"))
ROUNDING = 1e-4
"""Of numbers in float32 that two kinds of processor compute."""
HEADS = ("reward", "classify")
WORDS = [name for name in METHODS if name not in HEADS]
ALIKE = ("dpo", "kto", "rloo", "ppo")
"""Their adapters are files like those of sft and grpo: only the slow tests let them answer."""


@pytest.fixture(scope="module", params=ARCHIVES, ids=lambda path: path.name.partition(".")[0])
def unpacked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old") / "work"
    unpack(request.param, folder)
    return folder


@pytest.fixture
def old(unpacked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the old runs in the current folder."""
    shutil.copytree(unpacked, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work" / "runs"


def said(capfd: pytest.CaptureFixture[str], *words: str) -> Any:
    capfd.readouterr()
    code = find("command line")([*words, "--json"])
    out, err = capfd.readouterr()
    assert code == 0, err
    return json.loads(out)


def test_all_are_listed_and_shown(old: Path, capfd: pytest.CaptureFixture[str]) -> None:
    listed = {run["name"]: run for run in said(capfd, "runs", "list")["runs"]}
    assert set(listed) == {*METHODS, STOPPED} and ARCHIVES
    for name in METHODS:
        result = json.loads((old / name / "evaluation.json").read_text("utf-8"))
        assert listed[name]["status"] == "done" and not listed[name]["problem"], listed[name]
        assert listed[name]["tuned_score"] == result["tuned"]["score"]
        assert name in json.dumps(said(capfd, "runs", "show", name))


@pytest.mark.parametrize("name", METHODS)
def test_the_report_is_written_again_from_what_the_run_holds(name: str, old: Path) -> None:
    before = json.loads((old / name / "evaluation.json").read_text("utf-8"))
    (old / name / "report.html").unlink()
    result = whet.api.evaluate(name)
    for key in ("verdict", "tuned"):
        assert not list(unequal(before[key], result[key], key, ROUNDING))
    assert before["verdict"]["sentence"].split(",")[0] in (old / name / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in ALIKE else []) for name in WORDS]
)
def test_the_trained_model_answers_as_it_did(name: str, old: Path) -> None:
    session = whet.chat(name)
    if name == "pretrain":
        assert "".join(session.reply([{"role": "user", "content": "Hello"}], max_new_tokens=4))
        return
    line = json.loads((old / name / "answers.jsonl").read_text("utf-8").splitlines()[0])
    words = "".join(session.reply(line["prompt"], max_new_tokens=6)).strip()
    told = line["tuned"].strip()
    assert words and (words.startswith(told) or told.startswith(words)), (words, told)


@pytest.mark.parametrize("name", HEADS)
def test_the_trained_head_scores_as_it_did(name: str, old: Path) -> None:
    before = json.loads((old / name / "evaluation.json").read_text("utf-8"))
    result = whet.api.evaluate(name, anew=True)
    assert result["tuned"]["score"] == before["tuned"]["score"]


def test_a_stopped_run_is_resumed_where_it_stood(old: Path) -> None:
    """It was stopped after its second step, and its checkpoint is that of the first: one step is made again. The clock
    stood still while the archive was made, so the times tell which lines are the old ones."""
    before = lines_of(old / STOPPED / "metrics.jsonl")
    step = json.loads((old / STOPPED / "checkpoints" / "last" / "progress.json").read_text("utf-8"))["step"]
    kept = [line for line in before if line["step"] < step or "validation_loss" in line]
    assert step == 1 and len(kept) == 3 == len(before) - 1
    recipe = whet.Run.open(STOPPED, old).recipe
    result = whet.api.train(whet.load_recipe(old / STOPPED / "recipe.yaml"), name=STOPPED)
    after = lines_of(old / STOPPED / "metrics.jsonl")
    assert after[: len(kept)] == kept, "its first step is not made again"
    assert [line["step"] for line in after[3:]] == [1, 2, 2, 3, 3, 4] and "loss" in after[3]
    assert after[3]["tokens"] == before[3]["tokens"]
    assert after[3]["loss"] == pytest.approx(before[3]["loss"], rel=1e-4), "the second goes on from the first's weights"
    assert result["stopped"]["step"] == recipe.steps == 4


def lines_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]
