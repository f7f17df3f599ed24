"""A killed run of bake or of distil, its own answers included, goes on bit for bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.forked import Forked
from tests.training.test_resume import CODES, kill_when
from whet import api
from whet.recipe.load import load_recipe

SETTINGS = [
    "steps=8", "checkpoint_every=2", "evaluate.every=3", "evaluate.early_stop=false", "split.near_duplicates=false",
]  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [{"prompt": f"Say the code {n}.", "completion": f"The code is {n}."} for n in CODES]
    (tmp_path / "codes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path / "codes.jsonl"


def start(data: Path, method: str, runs: Path) -> Forked:
    settings = [word for setting in (f"method={method}", *SETTINGS) for word in ("--set", setting)]
    runs.mkdir(exist_ok=True)
    return Forked(["train", str(data), "--runs", str(runs), "--name", "r", *settings], runs / "output")


@pytest.mark.parametrize("kind", ["bake", "distil"])
def test_killed_and_resumed_equals_uninterrupted(
    kind: str, data: Path, copy_of_run: Callable[[str], Path], tmp_path: Path
) -> None:
    method = "{kind: bake, prompt: Answer in capitals.}"
    if kind == "distil":
        method = f"{{kind: distil, teacher: {copy_of_run('sft')}, prompts: 4, max_new_tokens: 12}}"
    api.train(load_recipe(data, [f"method={method}", *SETTINGS]), run_root=tmp_path / "whole", name="r")
    whole = tmp_path / "whole" / "r"
    kill_when(start(data, method, tmp_path / "killed"), tmp_path / "killed", 5)
    start(data, method, tmp_path / "killed").finish()
    killed = tmp_path / "killed" / "r"
    one, other = (load_file(str(run / "model" / "adapter_model.safetensors")) for run in (whole, killed))
    assert one.keys() == other.keys() and all(one[name].equal(other[name]) for name in one)
    numbers = ("step", "loss", "validation_loss", "grad_norm", "answer_tokens")
    logs = [
        [{key: line[key] for key in numbers if key in line} for line in map(json.loads, path.read_text().splitlines())]
        for path in (whole / "metrics.jsonl", killed / "metrics.jsonl")
    ]
    assert logs[0] == logs[1] and any(line.get("loss", 0) > 1e-3 for line in logs[0])
