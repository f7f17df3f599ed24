"""What the flywheel advises is the right thing on workloads where the right thing is known, with stand-ins for a base
that is enough as it is or with examples; and what it says of logs that would fool it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

import whet
from bench.shown import flywheel as shown

GOAL = 0.7
KEYS = {"agreement": GOAL, "keep": False, "evaluate.forgetting": False, "evaluate.against": ["base"]}
UNTUNED = KEYS | {"steps": 1, "evaluate.every": 1}
TOPICS = "parcel refund repair invoice login allergy ticket rental visa garden tyre recipe".split()
CODES = "amber birch coral delta ember flint".split()


def advised(folder: Path, pairs: list[tuple[str, str]], **keys: Any) -> dict[str, Any]:
    log = shown.write_log(folder / f"log-{len(list(folder.iterdir()))}.jsonl", {"desk": pairs})
    (found,) = whet.flywheel(log, run_root=folder / "runs", **keys)["workloads"]
    return found


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The demo's messages to strict JSON, which nano cannot do before it has learned it."""
    folder = tmp_path_factory.mktemp("flywheel")
    return folder, advised(folder, shown.desk(900), **KEYS)


def merged(run: str, folder: Path) -> str:
    return str(whet.export(run, "merged", out=folder / f"merged-{run}", run_root=folder / "runs")["folder"])


@pytest.mark.slow
def test_tuning_is_needed(tuned: tuple[Path, dict[str, Any]]) -> None:
    found = tuned[1]
    assert found["advice"] == "tune" and found["way"] == "tuned", (found["reason"], found["arms"])
    assert {"the request failed", "the answer is cut"} <= set(found["left_out"]) and found["systems"] > 10


@pytest.mark.slow
def test_a_base_that_learned_it_already_is_enough(tuned: tuple[Path, dict[str, Any]]) -> None:
    folder, found = tuned
    again = advised(folder, shown.desk(300, seed=77), base=merged(found["run"], folder), **UNTUNED)
    assert again["advice"] == "base is enough", (again["reason"], again["arms"])


def told(draw: random.Random, topic: str) -> str:
    return f"{topic} {' '.join(draw.choice(TOPICS) + str(draw.randrange(999)) for _ in range(6))}"


@pytest.mark.slow
def test_examples_are_enough_for_a_base_that_follows_them(tmp_path: Path) -> None:
    """A nano that has learned to answer as was answered just before, and topics whose answers no prompt tells."""
    draw, rows = random.Random(0), []
    for _ in range(900):
        code, messages = draw.choice(CODES), []
        for turn in range(4):
            messages.append({"role": "user", "content": told(draw, draw.choice(TOPICS))})
            messages.append({"role": "assistant", "content": code} | ({"weight": 0} if turn == 0 else {}))
        rows.append({"messages": messages})
    copying = whet.train(rows, name="copying", run_root=tmp_path / "runs", keep=False)

    code_of = {topic: CODES[number % len(CODES)] for number, topic in enumerate(TOPICS)}
    pairs = []
    for _ in range(300):
        topic = draw.choice(TOPICS)
        pairs.append((f"{topic} {topic} {told(draw, topic)}", code_of[topic]))
    found = advised(tmp_path, pairs, base=merged(copying["run"], tmp_path), **UNTUNED)
    assert found["advice"] == "few-shot is enough", (found["reason"], found["arms"])


@pytest.mark.slow
def test_answers_in_the_wrong_places_are_not_learned_and_constant_ones_need_no_model(tmp_path: Path) -> None:
    pairs = shown.desk(200, seed=5)
    asked, answers = zip(*pairs, strict=True)
    mixed = random.Random(1).sample(answers, len(answers))
    shuffled = advised(tmp_path, list(zip(asked, mixed, strict=True)), **UNTUNED)
    assert shuffled["advice"] == "keep the big one", shuffled["arms"]
    constant = advised(tmp_path, [(text, json.dumps({"intent": "other"})) for text in asked], **UNTUNED)
    assert constant["advice"] == "a fixed answer is enough", constant["arms"]
