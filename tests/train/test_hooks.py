"""Validation protects the best weights, and stops early with a sentence that says what it saw."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from whet.errors import NonFiniteError
from whet.recipe.load import load_recipe
from whet.recipe.schema import Optimizer, Schedule
from whet.store.run import Run
from whet.train import hooks
from whet.train.checkpoint import Progress
from whet.train.hooks import Validator
from whet.train.loop import train_loop
from whet.train.observer import Silent
from whet.train.optim import MasterOptimizer
from whet.types import Batch, LossOut


class OneWeight:
    """A policy of one weight that says how often it was saved."""

    def __init__(self) -> None:
        self.weight = nn.Parameter(torch.zeros(1))

    def trainable(self) -> dict[str, nn.Parameter]:
        return {"w": self.weight}


def no_loss(batch: Batch) -> LossOut:
    raise AssertionError("the losses of these tests are given")


def validator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, losses: list[float]) -> tuple[Validator, OneWeight]:
    (tmp_path / "d.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    run = Run.create(tmp_path / "runs", load_recipe(tmp_path / "d.jsonl"), "r")
    policy = OneWeight()
    found = iter(losses)
    monkeypatch.setattr(hooks, "mean_loss", lambda policy, loss, batches: next(found))
    made = Validator(policy, no_loss, list, run, Progress(), Silent(), 1, 100, 3, True)  # type: ignore[arg-type]
    return made, policy


def drive(made: Validator, policy: OneWeight, training: list[float]) -> int:
    """Steps until the validator ends the run; the weight is set to the step."""
    for step, loss in enumerate(training, 1):
        policy.weight.data.fill_(step)
        if made(step, loss):
            return step
    return len(training)


def test_memorising_is_said_in_words_and_the_best_step_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, policy = validator(tmp_path, monkeypatch, [2.0, 1.5, 1.6, 1.7, 1.9, 2.0])
    assert drive(made, policy, [2.0, 1.4, 1.2, 1.0, 0.8, 0.6]) == 5
    assert made.progress.stopped == (
        "validation loss did not improve for 3 evaluations while training loss fell: the model is memorising; "
        "kept step 2"
    )
    best = load_file(str(made.run.checkpoint("best") / "weights.safetensors"))
    assert best["w"].item() == 2.0


def test_a_run_that_improves_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, policy = validator(tmp_path, monkeypatch, [2.0, 2.1, 1.9, 2.0, 1.8, 1.9])
    assert drive(made, policy, [2.0] * 6) == 6
    assert made.progress.stopped is None and made.progress.best_step == 5


def test_a_validation_loss_that_is_not_a_number_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, policy = validator(tmp_path, monkeypatch, [float("nan")])
    with pytest.raises(NonFiniteError, match="validation loss"):
        drive(made, policy, [1.0])


def test_loop_stops_before_the_update_when_the_loss_is_not_finite() -> None:
    weight = nn.Parameter(torch.ones(1))
    empty = torch.zeros(0)
    batch = Batch(torch.zeros(3), empty, [0], [3], [None], empty, empty, empty, empty, [41], 1.0)

    class Bad:
        def batches(self, step: int) -> list[Batch]:
            return [batch]

        def loss(self, batch: Batch) -> LossOut:
            total = weight.sum() * (float("nan") if self.seen else 1.0)
            self.seen = True
            return LossOut(total, {"loss": (1.0, 1.0)})

        seen = False

    optimizer = MasterOptimizer({"w": weight}, Optimizer(), 0.1, 10, Schedule(kind="constant", warmup=0.0))
    logged: list[int] = []
    with pytest.raises(NonFiniteError, match="step 1, rows \\[41\\]"):
        train_loop(Bad(), optimizer, 10, lambda step, facts: logged.append(step))
    assert logged == [0] and weight.item() == pytest.approx(0.9)
