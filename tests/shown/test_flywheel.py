"""What the flywheel advises is the right thing on workloads where the right thing is known, with stand-ins for a base
that is enough as it is or with examples; and what it says of logs that would fool it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from bench.shown import flywheel as shown


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("flywheel")
    return folder, shown.tuning_case(folder)


@pytest.mark.slow
def test_tuning_is_needed(tuned: tuple[Path, dict[str, Any]]) -> None:
    found = tuned[1]
    assert found["advice"] == "tune" and found["way"] == "tuned", (found["reason"], found["arms"])
    assert {"the request failed", "the answer is cut"} <= set(found["left_out"]) and found["systems"] > 10


@pytest.mark.slow
def test_a_base_that_learned_it_already_is_enough(tuned: tuple[Path, dict[str, Any]]) -> None:
    folder, found = tuned
    again = shown.base_case(folder, found["run"])
    assert again["advice"] == "base is enough", (again["reason"], again["arms"])


@pytest.mark.slow
def test_examples_are_enough_for_a_base_that_follows_them(tmp_path: Path) -> None:
    found = shown.few_shot_case(tmp_path)
    assert found["advice"] == "few-shot is enough", (found["reason"], found["arms"])


@pytest.mark.slow
def test_answers_in_the_wrong_places_are_not_learned_and_constant_ones_need_no_model(tmp_path: Path) -> None:
    asked, answers = zip(*shown.desk(200, seed=5), strict=True)
    mixed = random.Random(1).sample(answers, len(answers))
    shuffled = shown.advised(tmp_path, list(zip(asked, mixed, strict=True)), **shown.UNTUNED)
    assert shuffled["advice"] == "keep the big one", shuffled["arms"]
    constant = shown.advised(tmp_path, [(text, json.dumps({"intent": "other"})) for text in asked], **shown.UNTUNED)
    assert constant["advice"] == "a fixed answer is enough", constant["arms"]


def test_the_log_holds_what_its_table_says(tmp_path: Path, data_dir: Path) -> None:
    pairs = {"numbers": shown.numbers(40), "desk": shown.desk(60), "bank": shown.bank(20, data_dir)}
    log = shown.write_log(tmp_path / "log.jsonl", pairs)
    listed = shown.flywheel(log, workloads=True, agreement=0.5, run_root=tmp_path)["workloads"]
    assert [(shown.name_of(entry), entry["requests"]) for entry in listed] == [
        ("desk", 60),
        ("numbers", 40),
        ("bank", 20),
    ]
    assert all(entry["systems"] > 5 and entry["ordered_by"] == "time" for entry in listed)
    assert sum(shown.SIZES.values()) == 2000
