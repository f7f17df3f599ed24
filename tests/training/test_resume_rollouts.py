"""A run on answers of its own, killed and started again, writes and learns the same, bit for bit.

That a run may be killed at any instant, and twice, is shown in test_resume.py; the whole run is made in this process,
the killed one in others.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.training import test_resume as plain
from whet import api
from whet.recipe.load import load_recipe

THINGS = ("the river", "a lamp", "the harbour", "my coat", "the market", "an old town")
ROWS = [{"prompt": f"Tell me about {thing}, part {n}."} for n in range(10) for thing in THINGS]
METHODS = {
    "grpo": "{kind: grpo, rewards: {kind: regex, pattern: '[a-z]'}, updates: 2, prompts: 4, max_new_tokens: 8}",
    "rloo": "{kind: rloo, rewards: {kind: regex, pattern: '[0-9]'}, prompts: 4, samples: 3, max_new_tokens: 8}",
    "ppo": "{kind: ppo, rewards: {kind: length, most: 3}, updates: 2, prompts: 8, kl_target: 0.01, max_new_tokens: 8}",
}
SETTINGS = ["steps=8", "checkpoint_every=2", "evaluate.every=3", "evaluate.early_stop=false", "split.validation=6"]
SETTINGS += ["split.near_duplicates=false"]
WALL = ("seconds", "tokens_per_second")


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("grpo", "rloo")]
"""ppo hands most from step to step: it stands for the others in the quick suite."""


@pytest.fixture(params=[*SLOW, "ppo"])
def data(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "codes.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    monkeypatch.setattr(plain, "SETTINGS", [*SETTINGS, f"method={METHODS[request.param]}"])
    return path


def numbers(runs: Path) -> list[dict[str, float]]:
    lines = map(json.loads, (runs / "r" / "metrics.jsonl").read_text().splitlines())
    return [{key: value for key, value in line.items() if not key.endswith(WALL)} for line in lines]


def test_killed_and_resumed_equals_uninterrupted(data: Path, tmp_path: Path) -> None:
    api.train(load_recipe(data, plain.SETTINGS), run_root=tmp_path / "whole", name="r")
    killed = tmp_path / "killed"
    plain.kill_when(plain.start(data, killed), killed, 7)
    plain.finish(data, killed)
    assert numbers(killed) == numbers(tmp_path / "whole")
    whole, resumed = (
        load_file(str(runs / "r" / "model" / "adapter_model.safetensors")) for runs in (tmp_path / "whole", killed)
    )
    assert whole.keys() == resumed.keys() and all(whole[name].equal(resumed[name]) for name in whole)
    assert any(line.get("grad_norm", 0) > 0 for line in numbers(killed))
