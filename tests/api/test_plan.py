"""`whet plan`: from data and a config to memory, time and settings, without loading any weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from whet import api
from whet.cli.main import run
from whet.errors import InputError, ModelError
from whet.plan.machine import Calibration, machine_facts, write_calibration

KEYS = {"weights", "adapter", "gradients", "optimizer", "activations", "logits", "total"}


@pytest.fixture(autouse=True)
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that was measured before, so that no test measures."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    speeds = {"float32": {200: 50.0, 800: 100.0}, "bfloat16": {200: 100.0, 800: 300.0}}
    write_calibration(Calibration(machine_facts(), 5 * 10**8, speeds, {"float32": 1e10, "bfloat16": 5e9}))  # type: ignore[arg-type]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [{"prompt": f"What is {n} plus {n}?", "completion": f"It is {2 * n}."} for n in range(80)]
    path = tmp_path / "sums.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def test_a_plan_has_the_keys_that_others_build_on(data: Path, tmp_path: Path) -> None:
    result = api.plan(data, memory="8GB", run_root=tmp_path)
    assert KEYS <= set(result["memory"])
    assert result["memory"]["total"] == sum(v for k, v in result["memory"].items() if k != "total")
    assert result["fits"] and result["suggestion"]["set"] == {} and result["seconds"] > 0


def test_the_counts_are_those_of_the_bundled_base(data: Path, tmp_path: Path) -> None:
    result = api.plan(data, memory="8GB", run_root=tmp_path)
    assert result["parameters"] == 3_221_952 and result["base"] == "nano"


def test_a_large_public_model_is_planned_without_a_network(data: Path, tmp_path: Path) -> None:
    result = api.plan(data, gpu="rtx-4090", run_root=tmp_path, base="llama-2-7b")
    assert result["parameters"] == 6_738_415_616 and result["fits"]
    assert result["seconds"] is None, "the speed of a GPU that is not here is not known"
    assert any("nano" in note for note in result["notes"]), "it says whose tokens were counted"


def test_what_does_not_fit_comes_with_settings_that_do(data: Path, tmp_path: Path) -> None:
    result = api.plan(data, memory="10GB", run_root=tmp_path, base="llama-2-7b")
    assert not result["fits"] and result["suggestion"]["set"]["quantise"] == "nf4"
    assert result["suggestion"]["total"] < 10e9


def test_where_nothing_fits_the_least_is_named(data: Path, tmp_path: Path) -> None:
    result = api.plan(data, memory="10GB", run_root=tmp_path, base="llama-65b")
    assert result["suggestion"] is None and any("nothing fits: the least is" in note for note in result["notes"])


def test_two_amounts_of_memory_are_refused(data: Path) -> None:
    with pytest.raises(InputError, match="give one of them"):
        api.plan(data, memory="8GB", gpu="a100-80gb")


def test_an_unknown_base_is_refused(data: Path) -> None:
    with pytest.raises(ModelError):
        api.plan(data, memory="8GB", base="nani")


@pytest.mark.parametrize("wrong", [["--memory", "much"], ["--gpu", "abacus"], ["--set", "base=nani"]])
def test_the_command_ends_with_2_on_wrong_input(data: Path, wrong: list[str], capsys: pytest.CaptureFixture) -> None:
    assert run(["plan", str(data), *wrong]) == 2
    assert "fix:" in capsys.readouterr().err


def test_the_command_prints_one_json_object(data: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(["plan", str(data), "--memory", "8GB", "--json"]) == 0
    assert KEYS <= set(json.loads(capsys.readouterr().out)["memory"])


def test_the_command_says_what_would_fit(data: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(["plan", str(data), "--memory", "10GB", "--set", "base=llama-2-7b"]) == 0
    shown = capsys.readouterr().out
    assert "does not fit in 10.0 GB" in shown and "quantise=nf4" in shown


@pytest.mark.parametrize(
    ("method", "note"),
    [
        ("{kind: distil, teacher: nano, max_new_tokens: 40}", "teacher"),
        ("{kind: bake, prompt: Be brief.}", "once more"),
    ],
)
def test_what_a_teacher_adds_is_said(data: Path, tmp_path: Path, method: str, note: str) -> None:
    result = api.plan(data, memory="8GB", run_root=tmp_path, method=method)
    assert any(note in said for said in result["notes"]) and (result["seconds"] is None) == ("distil" in method)


def test_replay_takes_its_share_of_the_time_and_what_is_not_counted_is_said(data: Path, tmp_path: Path) -> None:
    words = {"memory": "8GB", "run_root": tmp_path, "steps": 10}
    alone, usual = api.plan(data, **words, keep="false"), api.plan(data, **words)
    beside = api.plan(data, **words, **{"keep.ratio": 0.5, "keep.every": 1, "keep.kl": 1.0})
    assert 1.5 < beside["seconds"] / alone["seconds"] < 2.0, "half of the tokens are replayed; the update is the same"
    assert 1.0 < usual["seconds"] / alone["seconds"] < 1.2, "what the rule keeps is cheap"
    assert not any("replayed" in note or "general prompts" in note for note in alone["notes"])
    assert beside["settings"]["steps"] == alone["settings"]["steps"] == 10
    assert sum("not counted" in note for note in beside["notes"]) == 2
