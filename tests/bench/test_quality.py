"""The benches of the defaults: their sets are the same every time, their answers are kept, their sums are right."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import bench.tuned
from bench.defaults import HEAD, cells, summary
from bench.sets import SETS, write_set
from bench.sweep import Tried, regrets, sweep
from bench.tuned import tuned
from whet.store.atomic import write_text

ANSWER: dict[str, Any] = {
    "verdict": {"word": "better", "strongest": "constant"},
    "ship": {"answer": "yes"},
    "ledger": {"trained": 300},
    "base": {"score": 0.1},
    "tuned": {"score": 0.895},
    "difference": {"estimate": 0.795, "low": 0.7, "high": 0.85},
    "stopped": {"best_step": 20, "step": 30},
    "seconds": 12.4,
    "peak_memory_bytes": 2_500_000_000,
}


@pytest.mark.parametrize("name", ["support", "moderation"])
def test_a_set_is_the_same_every_time_and_keeps_its_test_rows_apart(name: str, tmp_path: Path) -> None:
    data, test = write_set(name, tmp_path / "one", 50)
    again = write_set(name, tmp_path / "two", 50)
    assert [path.read_bytes() for path in (data, test)] == [path.read_bytes() for path in again]
    learned, tested = (path.read_text().splitlines() for path in (data, test))
    assert len(learned) == 50 and len(tested) == SETS[name].test
    assert not set(learned) & set(tested)


@pytest.mark.parametrize("name", sorted(set(SETS) - {"support", "moderation"}))
def test_a_set_of_real_data_has_rows_enough(name: str, tmp_path: Path, data_dir: Path) -> None:
    data, test = write_set(name, tmp_path)
    assert len(data.read_text().splitlines()) == SETS[name].rows
    assert 50 < len(test.read_text().splitlines()) <= SETS[name].test


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """`whet tune` as a fake: the score falls with the distance of the rate from 4e-3, and 12 epochs fail."""
    made: list[list[str]] = []

    def run(command: list[str], **_: Any) -> SimpleNamespace:
        made.append(command)
        settings = dict(word.split("=", 1) for word in command if "=" in word)
        if settings.get("epochs") == "12":
            return SimpleNamespace(returncode=1, stdout="", stderr="the loss is not finite")
        rate = float(settings.get("learning_rate", 2e-3))
        folder = Path(command[command.index("--runs") + 1]) / command[command.index("--name") + 1]
        score = 0.9 - abs(rate - 4e-3) * 10
        write_text(folder / "recipe.resolved.yaml", f"learning_rate: {rate}\n")
        line = {"step": 20, "validation_loss": 1 - score, "validation_accuracy": score}
        write_text(folder / "metrics.jsonl", json.dumps(line) + "\n")
        return SimpleNamespace(returncode=0, stdout=json.dumps(ANSWER | {"tuned": {"score": score}}), stderr="")

    monkeypatch.setattr(bench.tuned, "subprocess", SimpleNamespace(run=run))
    return made


def test_a_sweep_has_twenty_runs_beside_the_default_and_goes_on_where_it_was_stopped(
    calls: list[list[str]], tmp_path: Path
) -> None:
    default, runs = sweep("support", "nano", tmp_path, [], 40)
    assert len(runs) == 20 and len(calls) == 21
    assert calls[0][:4] == [sys.executable, "-m", "whet", "tune"] and "--json" in calls[0]
    assert regrets(default, runs) == pytest.approx((2.0, 2.0)), "4e-3 is worth 90, the default's 2e-3 is worth 88"
    sweep("support", "nano", tmp_path, [], 40)
    assert len(calls) == 21 + 5, "answers are read again; the five that failed are asked again"


def test_another_base_other_rows_or_settings_are_another_question(calls: list[list[str]], tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = [{}, {"settings": ["seed=1"]}, {"rows": 41}, {"base": "other"}]
    for one in asked:
        tuned(tmp_path, "support", **({"base": "nano", "rows": 40} | one))
    assert len(calls) == 4


def test_validation_chooses_by_right_rows_and_the_loss_decides_between_equals() -> None:
    default = Tried("default", 0.80, 0.5, 0.7, 1.0)
    runs = [Tried("a", 0.82, 0.4, 0.7, 1.0), Tried("b", 0.85, 0.6, 0.6, 1.0), Tried("c", 0.0, float("inf"), -1.0, 0.0)]
    assert regrets(default, runs) == pytest.approx((2.0, 5.0))


def test_a_line_of_the_defaults_and_their_sum() -> None:
    answer = ANSWER | {"wall": 40.0}
    line = cells("triage", "/bases/smol", answer, ANSWER | {"tuned": {"score": 0.91}})
    assert len(line) == len(HEAD)
    assert line[:6] == ["triage", "smol", "300", "better", "yes", "constant"]
    assert line[8:] == ["+79.5 (+70.0 to +85.0)", "91.0", "12", "40", "2500"]
    failed = cells("triage", "nano", {"failed": "a\nno room"}, {"failed": "no room"})
    assert len(failed) == len(HEAD) and "no room" in failed[3]
    assert summary([line, failed]).startswith("1 of 2 runs end in a yes; 0 of 1 are within 1 point")
