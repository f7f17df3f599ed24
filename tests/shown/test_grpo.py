"""grpo and rloo more than double what a short sft start gets right on held-out problems."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import whet.api
from bench.shown import grpo
from whet.store.run import Run


@pytest.mark.slow
def test_the_pass_rate_on_held_out_messages_at_least_doubles(tmp_path: Path) -> None:
    found = grpo.run(tmp_path)
    for method in grpo.METHODS:
        assert found[method] >= 2 * found["start"] and found[f"{method}_verdict"] == "better", found
    runs = {name: Run.open(tmp_path / "runs" / name) for name in grpo.METHODS}
    assert grpo.draw(runs, tmp_path / "grpo.svg").is_file()


THINGS = ("the river", "a lamp", "the harbour", "my coat", "the market", "an old town", "a kettle", "the school")


@pytest.mark.parametrize("method", ["grpo", "rloo", "ppo"])
def test_a_few_steps_already_raise_a_reward_that_is_easy_to_have(method: str, tmp_path: Path) -> None:
    rows = [{"prompt": f"Tell me about {thing}, part {n}."} for n in range(8) for thing in THINGS]
    data = tmp_path / "asks.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    sizes = {"prompts": 8, "samples": 4, "max_new_tokens": 16}
    settings = json.dumps({"kind": method, "rewards": {"kind": "regex", "pattern": "[a-z]"}, **sizes})
    keys: dict[str, Any] = {"method": settings, "steps": 16, "split.validation": 8, "evaluate.every": 16}
    keys |= {"learning_rate": 2e-3, "dtype": "float32", "split.near_duplicates": "false", "split.test": 0}
    whet.api.train(str(data), run_root=tmp_path, name="r", **keys)
    found = [line["validation_reward"] for line in Run.open(tmp_path / "r").metrics() if "validation_reward" in line]
    assert len(found) == 2 and found[1] > found[0] + 0.1, found
