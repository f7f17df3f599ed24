"""Whet's side of a training task: a whole session, as `whet train` runs it, on rows in the order that was agreed.

    python -m bench.side_whet build/bench sft-lora whet

Everything is the recipe's own but the order: Whet's loader would shuffle the rows and cut steps by tokens, and the
peer takes rows by number, so the steps come from `AgreedSteps` instead. Micro-batches, self-check, dtype and memory are
what a user gets.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.material import ALPHA, RANK, base_name, read_facts
from bench.measure import Steps, digest, finish
from bench.tasks import BY_NAME, Task
from whet.data.forest import build_batch
from whet.data.loader import fill
from whet.data.prepare import Prepared
from whet.recipe.load import load_recipe
from whet.recipe.schema import Recipe
from whet.store.run import Run
from whet.train.material import Material
from whet.train.observer import Silent
from whet.train.session import open_session, train
from whet.types import Batch, Segment


class AgreedSteps:
    """Steps of `rows` rows each in the order of the file, cut into micro-batches as Whet's loader cuts them."""

    def __init__(self, segments: Sequence[Segment], rows: int, micro_batch_tokens: int) -> None:
        self.segments, self.rows, self.micro_batch_tokens = segments, rows, micro_batch_tokens

    def largest(self) -> Batch:
        steps = (self.step(number) for number in range(len(self.segments) // self.rows))
        return max((batch for step in steps for batch in step), key=lambda batch: len(batch.ids_T))

    def step(self, step: int) -> list[Batch]:
        chosen = [self.segments[i] for i in range(step * self.rows, (step + 1) * self.rows)]
        lengths = [len(segment.ids) for segment in chosen]
        order = sorted(range(len(chosen)), key=lambda i: -lengths[i])
        return [build_batch([chosen[i] for i in run]) for run in fill(order, lengths, self.micro_batch_tokens)]


class AgreedMaterial(Material):
    """Material whose loader serves AgreedSteps of `rows_of_a_step` rows."""

    rows_of_a_step = 0

    def loader(self, recipe: Recipe) -> AgreedSteps:
        assert isinstance(self.source, Prepared) and recipe.micro_batch_tokens
        return AgreedSteps(self.source.train, self.rows_of_a_step, recipe.micro_batch_tokens)


class Stamps(Silent):
    """Hears the end of every step; reading the data reports steps too, but without a loss."""

    def __init__(self) -> None:
        self.steps = Steps()

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
            "adapter": lora if task.adapter == "lora" else {"kind": "full"},
            "split": {"validation": 0, "test": 0},
            "learning_rate": task.rate,
            "schedule": {"kind": "constant", "warmup": 0},
            "optimizer": {"beta2": 0.999},
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
        with run.at_work():
            session = open_session(recipe, run, stamps)
            parts = {field.name: getattr(session.material, field.name) for field in dataclasses.fields(Material)}
            session.material = AgreedMaterial(**parts)
            AgreedMaterial.rows_of_a_step = task.batch
            source = session.material.source
            assert isinstance(source, Prepared)
            found = digest((segment.ids, [weight > 0 for weight in segment.weights]) for segment in source.train)
            trained = train(session, stamps)
        resolved = session.recipe
    micro = f"micro-batches of {resolved.micro_batch_tokens:,} tokens"
    finish(
        tokens_per_second=stamps.steps.rate(read_facts(folder, task)["tokens"]),
        losses=stamps.steps.losses,
        first_step_seconds=stamps.steps.first_step_seconds,
        digest=found,
        settings=f"{resolved.dtype}, {trained.check.path} path, {micro}",
    )


if __name__ == "__main__":
    measure(Path(sys.argv[1]), BY_NAME[sys.argv[2]])
