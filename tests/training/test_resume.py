"""A run killed at any instant and started again gives the weights of a run that was never killed, bit for bit."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.forked import Forked

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


def start(data: Path, runs: Path) -> Forked:
    general = str(data.parent / "general.jsonl")
    extra = [setting.replace("general.jsonl", general) for setting in EXTRA.get(data.stem, [])]
    settings = [word for setting in [*SETTINGS, *extra] for word in ("--set", setting)]
    runs.mkdir(exist_ok=True)
    return Forked(["train", str(data), "--runs", str(runs), "--name", "r", *settings], runs / "output")


def finish(data: Path, runs: Path) -> str:
    return start(data, runs).finish()


@pytest.fixture(scope="module")
def uninterrupted(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("whole")
    finish(data, runs)
    return runs / "r"


def kill_when(process: Forked, runs: Path, lines: int) -> None:
    """SIGKILL once metrics.jsonl holds that many lines: in the middle of whatever comes next."""
    metrics = runs / "r" / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.running():
        if metrics.exists() and metrics.read_bytes().count(b"\n") >= lines:
            process.kill()
            return
        time.sleep(0.002)
    raise AssertionError(f"the run ended before it could be killed: {process.finish()}")


def numbers(run: Path) -> list[dict[str, float]]:
    names = ("step", "loss", "validation_loss", "learning_rate", "grad_norm")
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [{name: line[name] for name in names if name in line} for line in lines]


KILLED_AFTER = (1, 7, 14)
"""Lines of the log, of 17: before there is anything to go on from; between two checkpoints; near the end, in what has
itself gone on from a checkpoint. One run is killed at all three: as everything follows from what came before, it ends
as the whole run does only if it went on rightly each time."""


def test_killed_again_and_again_it_equals_uninterrupted(data: Path, uninterrupted: Path, tmp_path: Path) -> None:
    for lines in KILLED_AFTER:
        kill_when(start(data, tmp_path), tmp_path, lines)
        assert not (tmp_path / "r" / "model" / "adapter_model.safetensors").exists()
    finish(data, tmp_path)
    whole = load_file(str(uninterrupted / "model" / "adapter_model.safetensors"))
    resumed = load_file(str(tmp_path / "r" / "model" / "adapter_model.safetensors"))
    assert whole.keys() == resumed.keys()
    assert all(whole[name].equal(resumed[name]) for name in whole)
    assert numbers(uninterrupted) == numbers(tmp_path / "r"), "one line a step"


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
