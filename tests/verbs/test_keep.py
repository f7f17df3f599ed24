"""keep and forgetting from a recipe to the report: replay is accounted for, budgets decide, a scale is released."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

import whet
from whet import api
from whet.cli.main import run as command
from whet.demo_data.support_desk import generate
from whet.errors import DataError, InputError
from whet.evaluation.forgetting.suites import read_suite
from whet.model.base import NANO
from whet.model.saved_model import read_facts
from whet.reports.result import RunResult
from whet.store import model_registry
from whet.store.run import Run
from whet.verbs.steps import stages
from whet.verbs.studies.until_kept import until_kept

GENERAL = [{"prompt": f"What is {n} plus {n}?", "answer": str(2 * n)} for n in range(30)]
TEXTS = [{"text": "Once"}, {"text": "The old"}]


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A short run with replay of the base's own words, one of which is asked in a suite, too."""
    folder = tmp_path_factory.mktemp("keep")
    data = write(folder / "desk.jsonl", generate(120, 3))
    suite = [{"prompt": GENERAL[12]["prompt"], "completion": "24"}, {"prompt": "Say the code 7.", "completion": "7"}]
    settings: dict[str, Any] = {
        "steps": 8, "keep.replay": "base", "keep.every": 2, "keep.kl": 1.0,
        "keep.prompts": write(folder / "g.jsonl", GENERAL + TEXTS),
        "forgetting.suites": f"[{write(folder / 'sums.jsonl', suite * 3)}]", "forgetting.score": 0.9,
        "forgetting.text": 0.5, "evaluate.max_new_tokens": 8,
    }  # fmt: skip
    return folder, whet.tune(data, run_root=folder / "runs", name="desk", **settings)


def test_every_replayed_row_is_accounted_for(made: tuple[Path, dict[str, Any]]) -> None:
    folder, result = made
    replay = result["ledger"]["replay"]
    assert replay == json.loads((folder / "runs" / "desk" / "replay.json").read_text())
    assert replay["rows"] + sum(replay["dropped"].values()) == replay["rows_in"]
    assert replay["dropped"] == {"measured-elsewhere": 1} and replay["ratio"] == 0.33
    assert 0 < replay["supervised_tokens"] < replay["tokens"]
    lines = map(json.loads, (folder / "runs" / "desk" / "metrics.jsonl").read_text().splitlines())
    line = next(line for line in lines if "kl_to_base" in line)
    assert line["kl_to_base"] >= 0 and line["loss"] > 0


def test_the_bases_words_are_written_once(made: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = made
    (written,) = (folder / "runs" / "cache").glob("own-*.jsonl")
    before = written.stat().st_mtime_ns
    settings = {"steps": 2, "keep.replay": "base", "keep.prompts": str(folder / "g.jsonl")}
    api.train(str(folder / "desk.jsonl"), run_root=folder / "runs", name="again", **settings)
    assert [path.stat().st_mtime_ns for path in (folder / "runs" / "cache").glob("own-*.jsonl")] == [before]


def test_every_measure_has_an_interval_a_budget_and_a_word(made: tuple[Path, dict[str, Any]]) -> None:
    _, result = made
    measures = {one["name"]: one for one in result["forgetting"]["measures"]}
    assert list(measures) == ["general-text", "kl-task", "kl-general", "skills", "suite-sums"]
    for one in measures.values():
        assert one["low"] <= one["loss"] <= one["high"] and one["statement"]
    assert measures["suite-sums"]["rows"] == 6 and measures["suite-sums"]["details"]["metric"]
    assert measures["kl-task"]["budget"] is None and measures["general-text"]["budget"] == 0.5
    assert measures["skills"]["rows"] == 240 and measures["skills"]["details"]["parts"]["base"]


def test_a_point_of_the_way_is_released_without_training(
    made: tuple[Path, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = made
    runs = folder / "runs"
    assert command(["frontier", "desk", "--take", "0.5", "--runs", str(runs), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    taken, whole = Run.open(result["run"], runs), Run.open("desk", runs)
    configs = [json.loads((run.model / "adapter_config.json").read_text()) for run in (taken, whole)]
    assert configs[0]["lora_alpha"] == pytest.approx(configs[1]["lora_alpha"] / 2)
    assert json.loads((taken.model / "whet.json").read_text())["scale"] == 0.5
    assert taken.read_json("run.json")["created"] > whole.read_json("run.json")["created"]
    assert taken.read_json("run.json")["clock"] == read_facts(whole.model)["clock"], "one day in every prompt"
    assert (taken.model / "adapter_model.safetensors").read_bytes() == (
        whole.model / "adapter_model.safetensors"
    ).read_bytes()
    moved = {one["name"]: one["loss"] for one in result["forgetting"]["measures"]}
    before = {one["name"]: one["loss"] for one in made[1]["forgetting"]["measures"]}
    assert moved["kl-general"] < before["kl-general"] and moved["kl-task"] < before["kl-task"]
    with pytest.raises(InputError, match="already an interpolated model"):
        api.frontier(result["run"], run_root=runs)


def test_what_broke_its_budget_is_not_to_be_used_and_shuts_the_gate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"prompt": f"Say {n}.", "completion": f"The number is {n}."} for n in range(150)]
    data = write(tmp_path / "yes.jsonl", rows)
    words = ["steps=25", "learning_rate=0.006", "split.near_duplicates=false", "evaluate.early_stop=false"]
    words += ["keep=false", "evaluate.against=[base]"]
    options = [word for one in words for word in ("--set", one)]
    assert command(["tune", data, "--runs", str(tmp_path / "runs"), "--gate", "--json", *options]) == 3
    shown = capsys.readouterr()
    result = json.loads(shown.out)
    assert result["verdict"]["word"] == "better" and result["ship"]["answer"] == "no"
    assert "registered as yes@1, a candidate; whet models promote yes 1 would need --force" in shown.err
    assert shown.err.count("over budget elsewhere") == 1, "the answer is given once"
    assert "is over budget elsewhere" in result["verdict"]["sentence"]
    (model,) = model_registry.list_models(tmp_path / "runs")
    assert model.versions and model_registry.meant(model, tmp_path / "runs") is None


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base that brings no general prompts and no skills, as nearly every base does."""
    folder = tmp_path_factory.mktemp("bases") / "bare"
    copytree(NANO, folder)
    for name in ("general.jsonl", "skills.jsonl"):
        (folder / name).unlink()
    return folder


def test_a_base_without_general_prompts_is_asked_those_that_whet_brings(bare: Path, tmp_path: Path) -> None:
    data = write(tmp_path / "desk.jsonl", generate(60, 3))
    api.train(data, run_root=tmp_path / "runs", name="desk", base=str(bare), steps=4)
    run = Run.open("desk", tmp_path / "runs")
    replay = run.read_json("replay.json")
    assert run.recipe.keep.replay == "base" and replay["prompts"] == "general_prompts.jsonl" and replay["rows"] >= 8
    assert {one["key"] for one in run.read_json("choices.json")} >= {"keep.replay", "keep.every", "keep.kl"}
    measured = ["kl_to_base" in line for line in run.metrics() if "loss" in line]
    assert measured == [False, True, False, True], "replay stands in every second step"


@pytest.mark.slow
def test_the_remedy_that_is_printed_works_on_a_base_without_prompts(
    bare: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It forgets far too much; `--until-kept`, which the answer names, takes nearer points and trains nothing. Here the
    points are given, because so hard a tune has none that keeps enough; how they are chosen: test_nearer.py."""
    below = iter((0.7, 0.4, 0.1))
    monkeypatch.setattr(stages, "choose_nearer", lambda *_: {"scale": next(below), "why": "given", "points": []})
    rows = [{"prompt": f"Say {n}.", "completion": f"The number is {n}."} for n in range(150)]
    data = write(tmp_path / "yes.jsonl", rows)
    options = {
        "base": bare, "steps": 25, "learning_rate": 0.01, "split.near_duplicates": "false", "keep": "false",
        "evaluate.early_stop": "false", "forgetting.text": 0.001,
    }  # fmt: skip
    words = ["tune", data, "--runs", str(tmp_path / "runs")]
    words += [word for key, value in options.items() for word in ("--set", f"{key}={value}")]
    assert command(words) == 0
    told = capsys.readouterr().out
    assert "over budget" in told and "the same command with --until-kept" in " ".join(told.split())
    assert command([*words, "--until-kept", "--json"]) == 0
    shown = capsys.readouterr()
    result = json.loads(shown.out)
    first, *others = result["tries"]
    assert first["scale"] == 1.0 and "second try, 0.7 of the way" in shown.err
    assert 1 <= len(others) <= 2 and [one["scale"] for one in others] == [0.7, 0.4][: len(others)], "two at most"
    assert result["run"] == others[-1]["run"] != first["run"]
    assert "no second try" not in shown.err
    assert Run.open(result["run"], tmp_path / "runs").read_json("scaled_from.json")["run"] == first["run"]
    before = Run.open(first["run"], tmp_path / "runs").read_json("evaluation.json")
    rises = [{one["name"]: one["loss"] for one in found["forgetting"]["measures"]} for found in (before, result)]
    assert rises[1]["general-text"] < rises[0]["general-text"]


def test_what_is_kept_is_not_tried_again(made: tuple[Path, dict[str, Any]]) -> None:
    folder, result = made
    kept = RunResult(result | {"ship": {"answer": "yes", "broken": [], "unclear": []}}, folder / "runs" / "desk")
    assert until_kept(kept, folder / "runs")["tries"] == [{"run": "desk", "scale": 1.0, "answer": "yes"}]


def test_a_suite_that_cannot_be_asked_is_refused_by_row(tmp_path: Path) -> None:
    path = write(tmp_path / "s.jsonl", [{"prompt": "One?", "completion": "1"}, {"prompt": "Two?", "completion": ""}])
    with pytest.raises(DataError, match="s.jsonl:2"):
        read_suite(path)
