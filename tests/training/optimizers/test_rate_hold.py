"""A rate that is held: a run turns by its own validations, and a killed one turns at the same step, bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from whet.observer import Observer, Silent
from whet.recipe.load import load_recipe
from whet.recipe.schema import Optimizer, Schedule
from whet.store.run import Run
from whet.training.checkpoint import TrainingState, resume
from whet.training.hooks import Checkpointer, Validator
from whet.training.learners.next_token import sure_answers
from whet.training.loop import train_loop
from whet.training.optimizers.master_weights import MasterOptimizer
from whet.training.optimizers.rate_hold import Hold, still_falling, still_rising
from whet.types import Batch, LossOut

SHORTEST, LONGEST, EVERY = 20, 80, 2
LEARNED, HELD_OUT = 0, -1
"""Row numbers by which the loss knows what it is asked for."""


def batch_of(row: int) -> Batch:
    empty = torch.zeros(0)
    return Batch(torch.zeros(3), empty, [0], [3], [None], empty, empty, empty, empty, [row], 1.0)


class Pulled(nn.Module):
    """Training pulls the weights to 1, with noise; what is held out is best at `held_out`."""

    def __init__(self, held_out: float) -> None:
        super().__init__()
        self.held_out = held_out
        torch.manual_seed(0)
        self.weight = nn.Parameter(torch.rand(5) * 0.1)

    @property
    def model(self) -> nn.Module:
        return self

    def trainable(self) -> dict[str, nn.Parameter]:
        return {"weight": self.weight}

    def batches(self, step: int) -> list[Batch]:
        return [batch_of(LEARNED + step)]

    def loss(self, batch: Batch) -> LossOut:
        row = batch.rows[0]
        target = torch.full((5,), self.held_out) if row == HELD_OUT else 1 + 0.3 * torch.randn(5, generator=seeded(row))
        total = (self.weight - target).square().sum()
        return LossOut(total, {"loss": (total.item(), 1.0)})


def seeded(row: int) -> torch.Generator:
    return torch.Generator().manual_seed(row)


class Killed(Exception):
    pass


def go_on(
    run: Run, dies_after: int | None, best_at: float = 0.6, observer: Observer | None = None
) -> tuple[Tensor, TrainingState, list[float]]:
    """Train from the last checkpoint, as a session does; raises Killed after so many steps of the run."""
    pulled = Pulled(best_at)
    schedule = Schedule(kind="hold", shortest=SHORTEST, warmup=0.0)
    optimizer = MasterOptimizer(pulled.trainable(), Optimizer(), 0.1, LONGEST, schedule)
    progress = resume(run, optimizer, LONGEST, observer or Silent())
    optimizer.turned = progress.turned
    validator = Validator(
        pulled, pulled.loss, lambda: [batch_of(HELD_OUT)], run, progress, Silent(), EVERY, LONGEST, 3, True,  # type: ignore[arg-type]
        hold=Hold(SHORTEST, LONGEST), optimizer=optimizer,
    )  # fmt: skip
    if progress.best_step < 0:
        validator.measure(0)
    saver = Checkpointer(optimizer, run, progress, 5, LONGEST, "plain")
    rates: list[float] = []

    def killer(step: int, loss: float) -> bool:
        if step == dies_after:
            raise Killed
        return False

    def log(step: int, facts: dict[str, float]) -> None:
        rates.append(facts["learning_rate"])

    hooks = [validator, saver, killer]
    progress.step = train_loop(pulled, optimizer, LONGEST, log, hooks, progress.step)
    return pulled.weight.detach().clone(), progress, rates


def run_in(folder: Path) -> Run:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "d.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    return Run.create(folder / "runs", load_recipe(folder / "d.jsonl"), "r")


def test_the_run_goes_back_to_its_best_weights_and_down_from_there(tmp_path: Path) -> None:
    weight, progress, rates = go_on(run_in(tmp_path), None)
    assert progress.turned is not None and progress.turned < LONGEST
    best = min(progress.validations, key=lambda entry: entry[1])
    assert best[1] == progress.best_loss and best[0] == progress.best_step
    at_turn = next(entry for entry in progress.validations if entry[0] == progress.turned)
    after = next(entry for entry in progress.validations if entry[0] > progress.turned)
    assert after[1] < at_turn[1], "what was learned after the best step was dropped"
    assert rates[progress.turned - 1] == max(rates[progress.turned :]), "the rate only falls after the turn"


@pytest.mark.parametrize("dies_after", range(1, 18))
def test_killed_at_any_step_and_resumed_equals_uninterrupted(tmp_path: Path, dies_after: int) -> None:
    whole, progress, _ = go_on(run_in(tmp_path / "whole"), None)
    assert progress.turned and dies_after < progress.step
    run = run_in(tmp_path / "killed")
    with pytest.raises(Killed):
        go_on(run, dies_after)
    later, again, _ = go_on(run, None)
    assert later.equal(whole)
    assert (again.turned, again.best_step, again.stopped) == (progress.turned, progress.best_step, progress.stopped)
    assert again.validations[1:] == progress.validations[1:], "the first has no training loss, which is not a number"


def test_killed_after_the_turn_it_does_not_turn_again_from_later_weights(tmp_path: Path) -> None:
    """With the best at the end of training, the way down finds better weights than those that the run went back to."""
    whole, progress, _ = go_on(run_in(tmp_path / "whole"), None, 1.0)
    assert progress.turned and progress.turned % 5 and progress.best_step > progress.turned
    for dies_after in range(progress.turned, progress.step):
        run = run_in(tmp_path / f"killed-{dies_after}")
        with pytest.raises(Killed):
            go_on(run, dies_after, 1.0)
        later, again, _ = go_on(run, None, 1.0)
        assert later.equal(whole) and again.turned == progress.turned


def test_what_counts_as_falling_and_rising() -> None:
    assert still_falling([2.0, 1.0, 0.5], 3) and still_falling([1.0, 0.98, 0.97, 0.96], 3)
    assert not still_falling([1.0, 0.99, 0.98, 0.975], 3), "less than three hundredths"
    assert not still_falling([0.012, 0.010, 0.009, 0.008], 3), "less than 0.005 nats"
    assert not still_falling([1.0, 1.1, 1.2, 1.3], 3)
    assert still_rising([0.5, 0.5, 0.5, 0.6], 100.0, 3), "0.1 is two standard errors of 100 rows"
    assert not still_rising([0.5, 0.5, 0.5, 0.6], 20.0, 3) and not still_rising([], 100.0, 3)


def test_an_answer_is_sure_when_each_of_its_tokens_is() -> None:
    """Three segments: sure, unsure in its second token, and one whose unsure token is not learned."""
    logprobs_N = torch.tensor([0.9, 0.6, 0.8, 0.4, 0.99, 0.1]).log()
    batch = batch_of(0)
    batch.segment_N = torch.tensor([0, 0, 1, 1, 2, 2])
    batch.weight_N = torch.tensor([1.0, 1.0, 1.0, 1.0, 1.0, 0.0])
    batch.lengths = [2, 2, 2]
    assert sure_answers(logprobs_N, batch) == (2.0, 3.0)
