"""A file of prompts and a reward go from a recipe to a paired verdict; what cannot work is refused at once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import whet
import whet.api
from tests.measured_machine import measured_before
from whet import pulse
from whet.errors import DataError, RecipeError
from whet.observer import Silent
from whet.store.run import Run

SHORT: dict[str, Any] = {
    "steps": 4, "method.prompts": 4, "method.samples": 4, "method.max_new_tokens": 6, "dtype": "float32",
    "evaluate.early_stop": "false", "split.near_duplicates": "false", "split.test": 12, "split.validation": 6,
    "evaluate.forgetting": "false",
}  # fmt: skip


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def sums(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [{"prompt": f"What is {a} + {b}?", "completion": str(a + b)} for a in range(8) for b in range(7)]
    return write(tmp_path_factory.mktemp("grpo") / "sums.jsonl", rows)


@pytest.fixture(scope="module", autouse=True)
def every_beat() -> Iterator[None]:
    """A model this small writes faster than anybody could read: let all beats through."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pulse, "LEAST_SECONDS", 0.0)
        yield


@pytest.fixture(scope="module")
def result(sums: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, dict[str, Any]]:
    root = tmp_path_factory.mktemp("runs")
    rewards = "[exact, {kind: length, most: 3, weight: 0.1}]"
    asked: dict[str, Any] = SHORT | {"method.kind": "grpo", "method.rewards": rewards}
    found = whet.tune(str(sums), run_root=root, name="g", observer=HEARD, **asked)
    return Run.open(root / "g"), found


class Recorder(Silent):
    """Everything that a run says, as (phase, kind, text)."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str, str]] = []
        self.name = ""

    def phase(self, name: str, total: int | None = None) -> None:
        self.name = name
        self.said.append((name, "phase", ""))

    def step(self, step: int, total: int, facts: dict[str, Any]) -> None:
        self.said.append((self.name, "step", f"{step}/{total}"))

    def pulse(self, text: str) -> None:
        self.said.append((self.name, "pulse", text))


HEARD = Recorder()


def test_no_stage_is_silent(result: tuple[Run, dict[str, Any]]) -> None:
    """Every stage says its name, and those that read or write say so at each pass."""
    phases = [phase for phase, kind, _ in HEARD.said if kind == "phase"]
    assert phases[:13] == [
        "reading the data", "loading the base", "checking the rows", "preparing the model", "adding what is trained",
        "proving the fast path", "trying the largest step", "preparing the method", "validating the base", "training",
        "saving the best weights", "opening base and tuned", "evaluating base and tuned",
    ]  # fmt: skip
    opposed = ("looking for the ", "asking the base with ")
    assert len(phases) > 15 and all(phase.startswith(opposed) for phase in phases[13:-2])
    assert phases[-2:] == ["writing the report", "asking base and tuned model the golden prompts"]
    beats = {(phase, re.sub(r"-?[\d.]+", "N", text)) for phase, kind, text in HEARD.said if kind == "pulse"}
    missing = {
        ("proving the fast path", "reading N tokens"),
        ("trying the largest step", "reading N tokens"),
        ("validating the base", "validation, no reward yet, N of N answers written, N tokens"),
        ("training", "reward so far N, reading N prompts"),
        ("training", "reward so far N, N of N answers written, N tokens"),
        ("training", "reward so far N, scoring N answers"),
        ("training", "learning, part N of N, reading N tokens"),
        ("evaluating base and tuned", "base, N of N answers written, N tokens"),
        ("evaluating base and tuned", "tuned, N of N answers written, N tokens"),
    } - beats
    assert not missing, sorted(beats)


def test_the_verdict_compares_greedy_answers_by_the_first_reward(result: tuple[Run, dict[str, Any]]) -> None:
    run, found = result
    assert found["method"] == "grpo (lora)"
    assert found["metric"] == {"name": "reward", "reason": "the first reward of the recipe: exact"}
    assert found["difference"]["rows"] == 12 and found["difference"]["test"] == "McNemar's mid-p"
    for side in ("base", "tuned"):
        assert found[side]["score"] == found[side]["rewards"]["exact"]
        expected = found[side]["rewards"]["exact"] + 0.1 * found[side]["rewards"]["length"]
        assert found[side]["reward"] == pytest.approx(expected)
    lines = [json.loads(line) for line in (run.folder / "answers.jsonl").read_text().splitlines()]
    assert len(lines) == 12
    assert all(line["base_score"] == float(line["base"].strip(" .\n") == line["reference"]) for line in lines)
    assert "Reward" in Path(found["report"]).read_text()


def test_every_component_and_both_times_are_logged_apart(result: tuple[Run, dict[str, Any]]) -> None:
    run, _ = result
    steps = [line for line in run.metrics() if "reward" in line]
    assert len(steps) == 4
    for line in steps:
        assert line["reward"] == pytest.approx(line["reward/exact"] + 0.1 * line["reward/length"])
        assert line["seconds"] == pytest.approx(line["rollout_seconds"] + line["update_seconds"])
        assert line["rollout_seconds"] > 0 < line["update_seconds"]
        assert abs(line["sampler_kl"]) < 1e-4 and line["clipped"] == 0
    assert [line["validation_reward"] for line in run.metrics() if "validation_reward" in line]
    reasons = {choice["key"]: choice["reason"] for choice in run.read_json("choices.json")}
    assert "tinker-cookbook" in reasons["learning_rate"] and "batch_tokens" not in reasons


def test_prompts_without_answers_are_enough_for_a_reward_that_needs_none(tmp_path: Path) -> None:
    code = "def short(prompts, answers, rows):\n    return [row['goal'] - len(a) for a, row in zip(answers, rows)]\n"
    (tmp_path / "score.py").write_text(code)
    write(tmp_path / "asks.jsonl", [{"prompt": f"Tell me about number {n}.", "goal": 1.0} for n in range(40)])
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("data: asks.jsonl\nmethod: {kind: rloo, rewards: {kind: function, function: 'score.py:short'}}\n")
    found = whet.tune(str(recipe), run_root=tmp_path / "runs", name="r", **SHORT)
    assert found["method"] == "rloo (lora)" and found["metric"]["reason"].endswith("function")
    assert found["ledger"]["supervised_tokens"] == 0
    assert found["base"]["score"] < 1


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"batch_tokens": 512}, "counted in prompts"),
        ({"adapter": "full", "method.kl": 0.1}, "trains them away"),
        ({"method.updates": 2, "checkpoint_every": 3}, "a multiple of 2"),
        ({"too_long": "truncate"}, "would change what it asks"),
        ({"evaluate.metric": "nll"}, "not probabilities"),
        ({"method.rewards": "[]"}, "a list with something in it"),
        ({"method.rewards": "{kind: function, function: 'no.py:f'}"}, "no such file"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_read(
    sums: Path, tmp_path: Path, keys: dict[str, Any], said: str
) -> None:
    asked: dict[str, Any] = SHORT | {"method.kind": "grpo", "method.rewards": "exact"} | keys
    with pytest.raises(RecipeError, match=said):
        whet.tune(str(sums), run_root=tmp_path, name="r", **asked)


def test_rows_that_a_reward_cannot_score_are_one_error_with_the_row(tmp_path: Path) -> None:
    data = write(tmp_path / "asks.jsonl", [{"prompt": f"Tell me about number {n}."} for n in range(40)])
    asked: dict[str, Any] = SHORT | {"method.kind": "grpo", "method.rewards": "exact"}
    with pytest.raises(DataError, match=r"asks\.jsonl:\d+: the reward 'exact' compares with a reference answer"):
        whet.tune(str(data), run_root=tmp_path, **asked)


def test_prompts_that_leave_no_room_for_an_answer_are_dropped_with_a_reason(sums: Path, tmp_path: Path) -> None:
    asked: dict[str, Any] = SHORT | {"method.kind": "grpo", "method.rewards": "exact", "max_tokens": 16}
    with pytest.raises(DataError, match="no room for an answer of 6 within 16"):
        whet.tune(str(sums), run_root=tmp_path, **asked)


def test_a_plan_says_what_a_rollout_needs(sums: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured_before(tmp_path / "cache", monkeypatch)
    asked: dict[str, Any] = SHORT | {"method.kind": "grpo", "method.rewards": "exact"}
    found = whet.api.plan(str(sums), memory="2GB", run_root=tmp_path, **asked)
    assert found["seconds"] > 0 and any("how long the answers will be is a guess" in note for note in found["notes"])
    assert found["settings"]["batch_tokens"] > 4 * 4 * 6 and found["fits"]
