"""Checkpoints as models: an observer that keeps them changes nothing, and each is the model of its step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import whet
from whet.model.saved_model import prove_weights, read_facts
from whet.observer import Silent
from whet.store.atomic import sha256_file

ADAPTER = "adapter_model.safetensors"


class Keeper(Silent):
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.steps: list[int] = []

    def checkpoint(self, step: int, save: Callable[[Path], None]) -> None:
        self.steps.append(step)
        save(self.folder / str(step))


def test_keeping_checkpoints_changes_nothing_and_each_is_of_its_step(tmp_path: Path) -> None:
    rows = [{"prompt": f"Say {n}", "completion": f"{n} it is"} for n in range(30)]
    keys = {"base": "nano", "keep": False, "batch_tokens": 64, "checkpoint_every": 2, "schedule": {"kind": "constant"}}
    keys["split"] = {"validation": 0, "test": 0}
    keeper = Keeper(tmp_path / "kept")

    whet.train(rows, tmp_path / "kept-runs", "one", keeper, steps=5, **keys)
    whet.train(rows, tmp_path / "runs", "one", steps=5, **keys)
    whet.train(rows, tmp_path / "runs", "two", steps=4, **keys)

    assert keeper.steps == [2, 4]
    of_kept = sha256_file(tmp_path / "kept-runs" / "one" / "model" / ADAPTER)
    assert of_kept == sha256_file(tmp_path / "runs" / "one" / "model" / ADAPTER)
    assert sha256_file(keeper.folder / "4" / ADAPTER) == sha256_file(tmp_path / "runs" / "two" / "model" / ADAPTER)
    assert sha256_file(keeper.folder / "2" / ADAPTER) != sha256_file(keeper.folder / "4" / ADAPTER)
    prove_weights(read_facts(keeper.folder / "4"), keeper.folder / "4")
