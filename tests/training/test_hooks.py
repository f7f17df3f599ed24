"""Validation protects the best weights, and stops early with a sentence that says what it saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy import stats
from torch import nn

from whet.errors import NonFiniteError
from whet.observer import Silent
from whet.recipe.load import load_recipe
from whet.recipe.schema import Optimizer, Schedule
from whet.store.run import Run
from whet.training import hooks
from whet.training.checkpoint import TrainingState
from whet.training.hooks import HeldOut, Validator
from whet.training.loop import train_loop
from whet.training.loss_rise import rise
from whet.training.optimizers.master_weights import MasterOptimizer
from whet.training.optimizers.rate_hold import Hold
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
    monkeypatch.setattr(hooks, "held_out", lambda policy, loss, batches: HeldOut(next(found)))
    made = Validator(policy, no_loss, list, run, TrainingState(), Silent(), 1, 100, 3, True)  # type: ignore[arg-type]
    return made, policy


def drive(made: Validator, policy: OneWeight, training: list[float]) -> int:
    """Steps until the validator ends the run; the weight is set to the step."""
    for step, loss in enumerate(training, 1):
        policy.weight.data.fill_(step)
        if made(step, loss):
            return step
    return len(training)


def test_memorising_is_said_in_words_and_the_best_step_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, policy = validator(tmp_path, monkeypatch, [2.0, 1.5, 1.6, 1.7, 1.9, 1.9, 1.5])
    assert drive(made, policy, [2.0, 1.4, 1.2, 1.0, 0.8, 0.6]) == 5
    assert made.progress.stopped == (
        "validation loss did not improve for 3 evaluations while training loss fell: whether the model is memorising, "
        "so few validation rows cannot tell; kept step 2"
    )
    best = load_file(str(made.run.checkpoint("best") / "weights.safetensors"))
    assert best["w"].item() == 2.0


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ([3.2, 3.1, 3.3, 3.0, 3.2, 3.1], "the model is memorising (+1.150 since step 2, 95% interval +1.0"),
        ([2.9, 1.3, 2.8, 1.1, 2.2, 1.9], "whether the model is memorising, they cannot tell (+0.033 since step 2"),
    ],
)
def test_memorising_is_said_only_where_the_rows_show_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: list[float], said: str
) -> None:
    """The loss at the best weights is 2 a row on each of six batches; the weight of the policy is the step."""
    made, policy = validator(tmp_path, monkeypatch, [])

    def found(*_: Any) -> HeldOut:
        parts = tuple((2 * (loss if policy.weight.item() > 2 else 2.0), 2.0) for loss in after)
        worse = float(policy.weight.item() == 1)
        return HeldOut(sum(part[0] for part in parts) / 12 + worse, parts=parts, examples=12)

    monkeypatch.setattr(hooks, "held_out", found)
    drive(made, policy, [2.0, 1.4, 1.2, 1.0, 0.8, 0.6, 0.5])
    assert made.progress.stopped and said in made.progress.stopped and "12 validation rows" in made.progress.stopped
    assert policy.weight.item() == 2.0, "the run ends with its best weights"


def test_a_rise_has_the_interval_of_a_paired_t_test() -> None:
    random = np.random.default_rng(0)
    before, after = random.normal(2.0, 0.3, 12), random.normal(2.2, 0.3, 12)
    expected = stats.ttest_1samp(after - before, 0.0).confidence_interval(0.95)
    assert rise([(x, 1.0) for x in before], [(x, 1.0) for x in after]) == pytest.approx(tuple(expected))
    assert rise([(2.0, 1.0)] * 4, [(3.0, 1.0)] * 4) is None


def test_a_run_that_first_gets_worse_than_its_base_has_until_the_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worse_first = [2.0, 2.3, 2.2, 2.1, 1.95, 1.9, 1.8, 1.7, 1.6]
    made, policy = validator(tmp_path, monkeypatch, list(worse_first))
    made.total = 8
    made.measure(0)
    assert drive(made, policy, [2.0] * 8) == 8 and made.progress.best_step == 8
    made, policy = validator(tmp_path, monkeypatch, [2.0, *[2.3] * 20])
    made.total = 12
    made.measure(0)
    assert drive(made, policy, [2.0] * 12) == 6 and made.progress.stopped, "never better: the middle is the end"


def test_a_run_that_improves_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, policy = validator(tmp_path, monkeypatch, [2.0, 2.1, 1.9, 2.0, 1.8, 1.9])
    assert drive(made, policy, [2.0] * 6) == 6
    assert made.progress.stopped is None and made.progress.best_step == 5


def holding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, losses: list[float], accuracies: list[float] | None = None
) -> tuple[Validator, OneWeight]:
    """Validated at every step; the shortest run has 10 steps, the longest 40."""
    made, policy = validator(tmp_path, monkeypatch, [])
    found = iter(zip(losses, accuracies or [0.0] * len(losses), strict=True))
    monkeypatch.setattr(hooks, "held_out", lambda policy, loss, batches: HeldOut(*next(found), 100.0))
    schedule = Schedule(kind="hold", shortest=10)
    made.total, made.hold, made.by_accuracy = 40, Hold(10, 40), True
    made.optimizer = MasterOptimizer(policy.trainable(), Optimizer(), 1.0, 40, schedule)
    made.measure(0)
    return made, policy


def test_a_curve_that_is_flat_in_the_middle_makes_a_run_of_the_usual_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, policy = holding(
        tmp_path, monkeypatch, [2.0, 1.0, 0.999, 0.998, 0.997, 0.996, *[0.9 - n / 9 for n in range(9)]]
    )
    assert drive(made, policy, [1.0] * 40) == 10 == made.end
    assert made.progress.turned == 5 and made.progress.stopped is None


def test_a_curve_that_falls_keeps_the_rate_until_it_is_flat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    falling = [2.0 * 0.9**n for n in range(13)]
    flat = [falling[-1] * 0.999**n for n in range(1, 40)]
    made, policy = holding(tmp_path, monkeypatch, falling + flat)
    assert drive(made, policy, [1.0] * 40) == made.end
    assert made.progress.turned == 15, "three validations after the last that gained"
    assert made.end == 20 and made.expected(20) == 20
    assert made.optimizer is not None and made.optimizer.turned == 15


def test_a_curve_that_always_falls_ends_at_the_longest_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, policy = holding(tmp_path, monkeypatch, [2.0 * 0.9**n for n in range(50)])
    assert drive(made, policy, [1.0] * 60) == 40 == made.end
    assert made.progress.turned == 35


def test_a_curve_that_rises_sends_the_run_back_to_its_best_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, policy = holding(tmp_path, monkeypatch, [2.0, 1.5, 1.2, 1.3, 1.4, 1.5, *[1.1 - n / 50 for n in range(20)]])
    for step in range(1, 6):
        policy.weight.data.fill_(step)
        assert not made(step, 1.0)
    assert made.progress.turned == 5 and policy.weight.item() == 2.0
    assert made.optimizer is not None and made.optimizer.masters["w"].item() == 2.0
    assert drive(made, policy, [1.0] * 5) == 5, "the way down is half of the shortest run"


def test_a_run_that_never_beats_the_base_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, policy = holding(tmp_path, monkeypatch, [1.0 + n / 10 for n in range(12)])
    assert drive(made, policy, [1.0] * 8) == 5
    assert made.progress.stopped and made.progress.best_step == 0


def test_more_right_answers_count_more_than_a_loss_that_rises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """100 rows: 0.60 to 0.70 is more than a standard error, 0.70 to 0.72 is not."""
    losses, right = [2.0, 1.0, 1.05, 1.1, 1.2, 1.3], [0.0, 0.6, 0.7, 0.72, 0.72, 0.72]
    made, policy = holding(tmp_path, monkeypatch, losses, right)
    drive(made, policy, [1.0] * 5)
    assert made.progress.best_step == 2 and made.progress.best_loss == 1.05


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
