"""Whet's side of a training task: a whole session, as `whet train` runs it, on rows in the order that was agreed.

    python -m bench.side_whet build/bench sft-lora whet

Everything is the recipe's own but the order: Whet's loader would shuffle the rows and cut steps by tokens, and the
peer takes rows by number, so the steps come from `AgreedSteps` instead. Micro-batches, self-check, dtype and memory are
what a user gets.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.material import ALPHA, RANK, base_name, read_facts
from bench.measure import Steps, digest, finish
from bench.tasks import BY_NAME, Task
from whet.data.batches.loader import Loader
from whet.data.prepare import prepared_of
from whet.data.render.inspect import first_rows
from whet.methods import method_of
from whet.methods.preference import READING_REFERENCES
from whet.observer import Silent
from whet.recipe.load import load_recipe
from whet.recipe.schema import Dpo, Recipe, Reward
from whet.store.run import Run
from whet.training.session import open_session, train
from whet.training.training_method import FindMethod, TrainingMethod
from whet.types import Segment


class AgreedSteps(Loader):
    """Steps of `rows` rows (or pairs) each in the order of the file; micro-batches as Whet's loader cuts them."""

    def __init__(self, segments: Sequence[Segment], rows: int, recipe: Recipe) -> None:
        assert recipe.batch_tokens and recipe.micro_batch_tokens
        self.rows = rows
        paired = isinstance(recipe.method, Dpo | Reward)
        super().__init__(segments, recipe.batch_tokens, recipe.micro_batch_tokens, recipe.seed, per_tree=paired)

    def _plan_uncached(self, epoch: int) -> list[np.ndarray]:
        return list(np.arange(len(self.forest.lengths)).reshape(-1, self.rows))


def in_agreed_steps(rows_of_a_step: int) -> FindMethod:
    """Methods whose loader serves AgreedSteps."""

    def find(recipe: Recipe) -> TrainingMethod:
        method: Any = method_of(recipe)
        method.loader = lambda recipe, source: AgreedSteps(prepared_of(source).train, rows_of_a_step, recipe)
        return method

    return find


class Stamps(Silent):
    """Hears the end of every step (reading the data reports steps too, but without a loss), and how long the base was
    asked about pairs before the first: a peer asks it within each step, so that time has to count."""

    def __init__(self) -> None:
        self.steps = Steps()
        self.beforehand = 0.0
        self._reading_since: float | None = None

    def phase(self, name: str, total: int | None = None) -> None:
        if self._reading_since is not None:
            self.beforehand += time.perf_counter() - self._reading_since
        self._reading_since = time.perf_counter() if name == READING_REFERENCES else None

    def step(self, step: int, total: int, facts: dict[str, Any]) -> None:
        if "loss" in facts:
            self.steps.end(facts["loss"])


def recipe_of(folder: Path, task: Task) -> Recipe:
    """What a user would write, with the peer's AdamW: constant rate, beta2 0.999, no decay, clipping at 1.

    batch_tokens, from which the rules derive the micro-batch, is the largest step.
    """
    lora = {"kind": "lora", "rank": RANK, "alpha": ALPHA}
    return load_recipe(
        {
            "data": str(folder / f"{task.name}.jsonl"),
            "base": base_name(folder, task.model),
            "method": {"kind": task.method} | ({"center": 0} if task.method == "reward" else {}),
            "adapter": lora if task.adapter == "lora" else {"kind": "full"},
            "split": {"validation": 0, "test": 0},
            "keep": False,
            "learning_rate": task.rate,
            "schedule": {"kind": "constant", "warmup": 0},
            "optimizer": {"beta2": 0.999, "state": task.state},
            "batch_tokens": max(read_facts(folder, task)["tokens"]),
            "steps": task.steps,
            "checkpoint_every": task.steps,
            "evaluate": {"every": task.steps, "forgetting": False},
        },
        [],
    )


def measure(folder: Path, task: Task) -> None:
    stamps = Stamps()
    with tempfile.TemporaryDirectory() as runs:
        recipe = recipe_of(folder, task)
        run = Run.create(runs, recipe, "bench")
        with run.working():
            session = open_session(recipe, run, in_agreed_steps(task.batch), stamps)
            paths = first_rows(prepared_of(session.source).train, task.steps * task.batch)
            scored = task.method == "reward"  # a reward model learns from whole texts
            found = digest((path.ids, [weight > 0 and not scored for weight in path.weights]) for _, path in paths)
            trained = train(session, stamps)
        resolved = session.recipe
    micro = f"micro-batches of {resolved.micro_batch_tokens:,} tokens"
    finish(
        tokens_per_second=stamps.steps.rate(read_facts(folder, task)["tokens"], stamps.beforehand),
        losses=stamps.steps.losses,
        first_step_seconds=stamps.steps.first_step_seconds,
        digest=found,
        settings=f"{resolved.dtype}, {trained.check.path} path, {micro}",
    )


if __name__ == "__main__":
    measure(Path(sys.argv[1]), BY_NAME[sys.argv[2]])
