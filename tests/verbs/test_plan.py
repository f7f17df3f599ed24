"""`whet plan`: from data and a config to memory, time and settings, without loading any weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.measured_machine import measured_before
from whet import api
from whet.cli.main import run
from whet.errors import InputError, ModelError, WhetError
from whet.recipe.load import load_recipe
from whet.store.run import Run

KEYS = {"weights", "adapter", "gradients", "optimizer", "activations", "logits", "total"}


@pytest.fixture(autouse=True)
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured_before(tmp_path / "cache", monkeypatch)


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
    assert any(note in said for said in result["notes"]) and result["seconds"] > 0


def test_keeping_has_its_own_part_of_the_time(data: Path, tmp_path: Path) -> None:
    words = {"memory": "8GB", "run_root": tmp_path, "steps": 10}
    every = {"keep.ratio": 0.5, "keep.every": 1}
    none, half = ({**every, "keep.replay": str(data)}, {**every, "keep.replay": "base", "keep.kl": 1.0})
    told, asked = (api.plan(data, **words, **keys)["time"] for keys in (none, half))
    words["steps"] = 1000
    learned, anchored = (api.plan(data, **words, **(half | {"keep.kl": weight}))["time"] for weight in (0.0, 1.0))
    assert 0 < told["keep"] < asked["keep"], "a file is replayed; the base's words are written, too"
    assert learned["keep"] < anchored["keep"], "and for the KL the base reads them once more"
    usual, without = (api.plan(data, **words, **keys)["time"] for keys in ({}, {"keep": "false"}))
    assert 0 == without["keep"] < usual["keep"] < anchored["keep"], "the rule replays in every fourth step"
    assert told["training"] == asked["training"] and learned["training"] == anchored["training"]


def test_until_a_step_was_measured_the_time_is_a_range_of_parts(data: Path, tmp_path: Path) -> None:
    result = api.plan(data, memory="8GB", run_root=tmp_path, steps=10)
    time = result["time"]
    parts = [time[key] for key in ("training", "evaluation", "opponents", "forgetting", "keep")]
    assert time["total"] == pytest.approx(sum(parts), abs=0.5) == pytest.approx(result["seconds"], abs=0.1)
    assert 0 < time["low"] < time["total"] < time["high"] and time["forgetting"] > 0 and time["opponents"] > 0
    assert any("guess" in note for note in result["notes"]) and result["measured_steps"] == 0


def test_without_forgetting_its_time_is_gone(data: Path, tmp_path: Path) -> None:
    result = api.plan(data, memory="8GB", run_root=tmp_path, steps=10, **{"evaluate.forgetting": "false"})
    assert result["time"]["forgetting"] == 0


def test_where_nothing_is_tested_no_evaluation_is_planned(data: Path, tmp_path: Path) -> None:
    time = api.plan(data, memory="8GB", run_root=tmp_path, split={"test": 0})["time"]
    assert time["evaluation"] == time["opponents"] == time["forgetting"] == 0 < time["training"]


def test_a_run_at_work_is_planned_at_the_pace_of_its_steps(data: Path, tmp_path: Path) -> None:
    before = api.plan(data, memory="8GB", run_root=tmp_path, steps=10)
    run = Run.create(tmp_path, load_recipe(str(data), ["steps=10"]), "slow")
    for step in range(5):
        run.log({"step": step, "loss": 1.0, "tokens": 100, "seconds": 100.0})
    after = api.plan("slow", memory="8GB", run_root=tmp_path)
    assert after["measured_steps"] == 5 and after["time"]["training"] >= 1000, "ten steps of 100 seconds"
    assert after["time"]["total"] > 10 * before["time"]["total"]
    with pytest.raises(InputError, match="as it is"):
        api.plan("slow", memory="8GB", run_root=tmp_path, steps=20)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"method": "{kind: grpo, rewards: {kind: function, function: 'nowhere.py:score'}}"}, "nowhere"),
        ({"forgetting.suites": "[nowhere.jsonl]"}, "nowhere"),
        ({"keep.replay": "nowhere.jsonl"}, "nowhere"),
        ({"keep.replay": "base", "keep.prompts": "nowhere.jsonl"}, "nowhere"),
        ({"keep.scale": "auto", "split.validation": "0"}, "no validation rows"),
    ],
)
def test_what_a_tune_refuses_is_refused(data: Path, tmp_path: Path, keys: dict[str, str], words: str) -> None:
    raised = []
    for verb in (api.tune, api.plan):
        with pytest.raises(WhetError) as caught:
            verb(data, run_root=tmp_path, **keys)
        assert words in str(caught.value)
        raised.append((type(caught.value), caught.value.what, caught.value.fix))
    assert raised[0] == raised[1]
