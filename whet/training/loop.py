"""THE loop. All methods share it; it reads downwards, in training order."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from whet.errors import NonFiniteError
from whet.pulse import saying
from whet.training.learner import Learner
from whet.training.optimizers.master_weights import MasterOptimizer
from whet.types import Batch, LossOut

Hook = Callable[[int, float], bool]
"""Called after each step with (steps done, loss of the step); returns True to end the run."""


class Meter:
    """Sums over a step: metrics arrive as (sum, count) and leave as means."""

    def __init__(self) -> None:
        self.sums: dict[str, list[float]] = {}

    def add(self, metrics: dict[str, tuple[float, float]]) -> None:
        for name, (total, count) in metrics.items():
            entry = self.sums.setdefault(name, [0.0, 0.0])
            entry[0] += total
            entry[1] += count

    def flush(self) -> dict[str, float]:
        means = {name: total / count for name, (total, count) in self.sums.items() if count}
        self.sums = {}
        return means


def train_loop(
    learner: Learner,
    optimizer: MasterOptimizer,
    steps: int,
    log: Callable[[int, dict[str, float]], None],
    hooks: Sequence[Hook] = (),
    start: int = 0,
) -> int:
    """Train from `start` to `steps`; returns the number of steps done. Raises NonFiniteError before a bad update."""
    meter = Meter()
    for step in range(start, steps):
        began = time.perf_counter()
        batches = learner.batches(step)

        weight = sum(batch.weight for batch in batches)
        for number, batch in enumerate(batches, 1):
            with saying(f"learning, part {number} of {len(batches)}"):
                out = learner.loss(batch)
            _refuse_non_finite(out, step, batch)
            (out.total / weight).backward()
            meter.add(out.metrics)

        norm, rate = optimizer.step(step)
        seconds = time.perf_counter() - began
        means = meter.flush()
        tokens = sum(batch.ids_T.shape[0] for batch in batches)
        log(
            step,
            means
            | {"learning_rate": rate, "grad_norm": norm, "tokens": tokens, "seconds": seconds}
            | {"tokens_per_second": tokens / seconds},
        )

        if any([hook(step + 1, means["loss"]) for hook in hooks]):
            return step + 1

    return steps


def _refuse_non_finite(out: LossOut, step: int, batch: Batch) -> None:
    if not math.isfinite(out.total.item()):
        raise NonFiniteError(
            "the loss is not finite; the weights were left as they were",
            where=f"step {step}, rows {sorted(set(batch.rows))[:8]}",
            value=out.total.item(),
            fix="lower learning_rate, or set dtype: float32",
        )
