"""How far the defaults are from the best of twenty runs over learning rate and passes.

    python -m bench.sweep SET [SET ...] --base PATH [--folder build/sweep] [--rows N] [--set KEY=VALUE]

Runs the default first, then five rates (a quarter to four times the default's) with 1, 3, 6 and 12 epochs each, and
writes FOLDER/SET-BASE.md. Each run is a `whet tune` of its own and is kept, so that a sweep that was stopped goes on.

regret, points  the test score of a run of the sweep less that of the default: of the run that validation chooses, which
                is what a careful user would have got, and of the run that the test chooses, which is an upper bound:
                the best of twenty noisy scores lies above the best score.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from bench.machine import commit
from bench.sets import SETS
from bench.table import table
from bench.tuned import tuned
from whet.store.atomic import write_text

TIMES, EPOCHS = (0.25, 0.5, 1.0, 2.0, 4.0), (1, 3, 6, 12)
ALONE = ("evaluate.forgetting=false",)
"""A sweep compares scores on the task; what is forgotten is not measured."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One run of the sweep, or the default: scores as shares, higher is better. A run that failed scores nothing."""

    name: str
    score: float
    loss: float
    accuracy: float
    seconds: float

    @property
    def by_validation(self) -> tuple[float, float]:
        """What a user would choose by: rows answered right, and the loss between equals."""
        return self.accuracy, -self.loss


def tried(name: str, answer: dict[str, Any]) -> Tried:
    if "failed" in answer:
        return Tried(name, 0.0, float("inf"), -1.0, 0.0)
    found = answer["validation"]
    return Tried(name, answer["tuned"]["score"], found["loss"], found.get("accuracy", 0.0), answer["seconds"])


def regrets(default: Tried, runs: Sequence[Tried]) -> tuple[float, float]:
    """(of the run that validation chooses, of the best on the test) in points; the default may itself be chosen."""
    every = [default, *runs]
    chosen, best = max(every, key=lambda run: run.by_validation), max(every, key=lambda run: run.score)
    return 100 * (chosen.score - default.score), 100 * (best.score - default.score)


def sweep(name: str, base: str, folder: Path, settings: Sequence[str], rows: int | None) -> tuple[Tried, list[Tried]]:
    """(default, the twenty runs); prints each as it is done. Raises RuntimeError when the default itself fails."""
    shared = [*ALONE, *settings]
    answer = tuned(folder, name, base, shared, rows, "default")
    if "failed" in answer:
        raise RuntimeError(f"{name}: the default run failed: {answer['failed']}")
    rate, runs = answer["recipe"]["learning_rate"], []
    default = shown(tried(f"default: {rate:g}, {answer['stopped']['step']} steps", answer))
    for times, epochs in product(TIMES, EPOCHS):
        own = [f"learning_rate={rate * times:.3g}", f"epochs={epochs}"]
        found = tuned(folder, name, base, [*shared, *own], rows, f"{rate * times:.3g}-{epochs}")
        runs.append(shown(tried(f"{rate * times:.3g}, {epochs} epochs", found)))
    return default, runs


def shown(run: Tried) -> Tried:
    print(f"{run.name}: score {100 * run.score:.1f}, validation loss {run.loss:.4f}, {run.seconds:.0f} s", flush=True)
    return run


def page(name: str, base: str, default: Tried, runs: Sequence[Tried]) -> str:
    chosen, best = regrets(default, runs)
    cells = [
        [run.name, f"{100 * run.score:.1f}", f"{run.loss:.4f}", f"{100 * run.accuracy:.1f}", f"{run.seconds:.0f}"]
        for run in (default, *runs)
    ]
    return "\n\n".join(
        [
            f"# {name} on {base}",
            f"Commit {commit()}. Regret {chosen:+.1f} points against the run that validation chooses, "
            f"{best:+.1f} against the best on the test.",
            table(["run", "test score", "validation loss", "validation right, %", "seconds"], cells),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Twenty runs over rate and passes beside the default.")
    parser.add_argument("sets", nargs="+", choices=sorted(SETS))
    parser.add_argument("--base", default="nano")
    parser.add_argument("--folder", type=Path, default=Path("build/sweep"))
    parser.add_argument("--rows", type=int, help="training rows, in the place of the set's own number")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="for every run")
    asked = parser.parse_args()
    summary = []
    for name in asked.sets:
        default, runs = sweep(name, asked.base, asked.folder, asked.set, asked.rows)
        write_text(asked.folder / f"{name}-{Path(asked.base).name}.md", page(name, asked.base, default, runs) + "\n")
        summary.append([name, *(f"{value:+.1f}" for value in regrets(default, runs))])
    print(table(["set", "regret by validation", "regret by test"], summary))


if __name__ == "__main__":
    main()
