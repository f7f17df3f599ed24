"""A run killed at any instant and started again gives the weights of a run that was never killed, bit for bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

CODES = [n * 37 % 1000 for n in range(60)]
ROWS = {
    "sft": [{"prompt": f"Say the code {n}.", "completion": f"The code is {n}."} for n in CODES],
    "dpo": [{"prompt": f"Say the code {n}.", "chosen": f"The code is {n}.", "rejected": "No."} for n in CODES],
    "kept": [{"prompt": f"Say the code {n}.", "completion": f"The code is {n}."} for n in CODES],
    "kto": [{"prompt": f"Say the code {n}.", "completion": f"It is {n}.", "label": n % 3 > 0} for n in CODES],
}
GENERAL = [{"prompt": f"What is {n} plus 2?"} for n in range(9)] + [{"text": "Once"}, {"text": "The"}]
EXTRA = {"kept": ["keep.replay=base", "keep.prompts=general.jsonl", "keep.ratio=0.3", "keep.every=2", "keep.kl=0.5"]}
"""What the base itself says to these prompts is replayed beside the rows."""
EXTRA["options"] = [
    "adapter={kind: lora, dora: true, rslora: true, rank_pattern: {v_proj: 5}, modules_to_save: [embed_tokens]}"
]
SETTINGS = ["steps=12", "batch_tokens=256", "checkpoint_every=2", "evaluate.every=3", "evaluate.early_stop=false"]


@pytest.fixture(scope="module", params=ROWS)
def data(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("resume") / f"{request.param}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS[request.param]))
    (path.parent / "general.jsonl").write_text("".join(json.dumps(row) + "\n" for row in GENERAL))
    return path


def command(data: Path, runs: Path) -> list[str]:
    general = str(data.parent / "general.jsonl")
    extra = [setting.replace("general.jsonl", general) for setting in EXTRA.get(data.stem, [])]
    settings = [word for setting in [*SETTINGS, *extra] for word in ("--set", setting)]
    return [sys.executable, "-m", "whet", "train", str(data), "--runs", str(runs), "--name", "r", *settings]


def start(data: Path, runs: Path, **environment: str) -> subprocess.Popen[bytes]:
    env = os.environ | {"OMP_NUM_THREADS": "1"} | environment
    return subprocess.Popen(command(data, runs), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env)


def finish(data: Path, runs: Path) -> str:
    process = start(data, runs)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output.decode()
    return output.decode()


@pytest.fixture(scope="module")
def uninterrupted(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("whole")
    finish(data, runs)
    return runs / "r"


def kill_when(process: subprocess.Popen[bytes], runs: Path, lines: int) -> None:
    """SIGKILL once metrics.jsonl holds that many lines: in the middle of whatever comes next."""
    metrics = runs / "r" / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if metrics.exists() and metrics.read_bytes().count(b"\n") >= lines:
            process.send_signal(signal.SIGKILL)
            process.wait()
            return
        time.sleep(0.002)
    raise AssertionError(f"the run ended before it could be killed: {process.communicate()[0].decode()}")


@pytest.mark.parametrize("lines", [1, 7, 14])
def test_killed_and_resumed_equals_uninterrupted(data: Path, uninterrupted: Path, tmp_path: Path, lines: int) -> None:
    kill_when(start(data, tmp_path), tmp_path, lines)
    assert not (tmp_path / "r" / "model" / "adapter_model.safetensors").exists()
    finish(data, tmp_path)
    whole = load_file(str(uninterrupted / "model" / "adapter_model.safetensors"))
    resumed = load_file(str(tmp_path / "r" / "model" / "adapter_model.safetensors"))
    assert whole.keys() == resumed.keys()
    assert all(whole[name].equal(resumed[name]) for name in whole)


def test_killed_twice_keeps_one_line_a_step(data: Path, uninterrupted: Path, tmp_path: Path) -> None:
    kill_when(start(data, tmp_path), tmp_path, 3)
    kill_when(start(data, tmp_path), tmp_path, 8)
    finish(data, tmp_path)
    numbers = ("step", "loss", "validation_loss", "learning_rate", "grad_norm")
    kept = [
        [{key: line[key] for key in numbers if key in line} for line in map(json.loads, path.read_text().splitlines())]
        for path in (uninterrupted / "metrics.jsonl", tmp_path / "r" / "metrics.jsonl")
    ]
    assert kept[0] == kept[1]


def test_the_finished_run_does_not_train_again(data: Path, uninterrupted: Path) -> None:
    before = (uninterrupted / "model" / "adapter_model.safetensors").stat().st_mtime_ns
    metrics = (uninterrupted / "metrics.jsonl").read_bytes()
    finish(data, uninterrupted.parent)
    assert (uninterrupted / "metrics.jsonl").read_bytes() == metrics
    assert (uninterrupted / "model" / "adapter_model.safetensors").stat().st_mtime_ns == before


@pytest.mark.slow
def test_a_run_with_every_option_of_the_adapter_resumes_to_the_bit(tmp_path: Path) -> None:
    data = tmp_path / "options.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in ROWS["sft"]))
    found = []
    for runs, lines in ((tmp_path / "whole", None), (tmp_path / "killed", 7)):
        if lines:
            kill_when(start(data, runs), runs, lines)
        finish(data, runs)
        found.append(load_file(str(runs / "r" / "model" / "adapter_model.safetensors")))
    assert any("magnitude" in name for name in found[0]) and any("embed_tokens" in name for name in found[0])
    assert found[0].keys() == found[1].keys()
    assert all(found[0][name].equal(found[1][name]) for name in found[0])
