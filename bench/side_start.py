"""From the start of the command `whet train` to its first optimiser step: on a few rows, or on very many.

    python -m bench.side_start build/bench start whet

The command runs as a user runs it, in a process of its own; a step counts when its line stands in the run's
metrics.jsonl. `start` runs it a second time under `python -X importtime` to see how much of it imports take. `rows`
runs it on 10,000 and on 100,000 rows, and compares the peaks of memory.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.tasks import BY_NAME, Task

FEW, MANY = 10_000, 100_000
LONGEST = 600.0
"""Seconds until a command that has not made a step is given up."""
RECIPE = ("--set", "steps=3", "--set", "split.validation=0", "--set", "split.test=0")


def first_step(rows: Path, runs: Path, *python: str) -> dict[str, float]:
    """Seconds from the start of the command to its first step, the peak memory in bytes, and seconds of imports.

    Raises RuntimeError when the command fails.
    """
    command = [sys.executable, *python, "-m", "whet", "train", str(rows), "--runs", str(runs), *RECIPE]
    with (runs / "stderr.txt").open("w+") as errors:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, env=os.environ)
        seconds = None
        while process.poll() is None:
            if seconds is None and any('"loss"' in file.read_text() for file in runs.glob("*/metrics.jsonl")):
                seconds = time.perf_counter() - began
            if time.perf_counter() - began > LONGEST:
                process.kill()
            time.sleep(0.01)
        errors.seek(0)
        text = errors.read()
    if process.returncode or seconds is None:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {text[-2000:]}")
    training = json.loads(next(runs.glob("*/training.json")).read_text())
    return {
        "first_step_seconds": seconds,
        "peak_memory_bytes": training["peak_memory_bytes"],
        "import_seconds": import_seconds(text),
    }


def import_seconds(text: str) -> float:
    """Sum over the outermost imports of what `-X importtime` wrote; imports inside functions are outermost, too."""
    outermost = re.findall(r"^import time:\s+\d+ \|\s+(\d+) \| (?! )", text, re.MULTILINE)
    return sum(map(int, outermost)) / 1e6


def chat_rows(count: int, path: Path) -> None:
    """Conversations of sentences drawn from GSM8K's training part: no two alike, as many as wanted."""
    from bench.material import DATA

    lines = [json.loads(line) for line in (DATA / "gsm8k" / "train.jsonl").read_text("utf-8").splitlines()]
    asked = [sentence for row in lines for sentence in row["question"].split(". ")]
    answered = [sentence for row in lines for sentence in row["answer"].splitlines()]
    draw = random.Random(0)
    with path.open("w") as file:
        for _ in range(count):
            turns = [
                {"role": "user", "content": ". ".join(draw.sample(asked, 4))},
                {"role": "assistant", "content": "\n".join(draw.sample(answered, 3))},
            ]
            file.write(json.dumps({"messages": turns}) + "\n")


def measured(count: int, *python: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        rows, runs = Path(folder) / "rows.jsonl", Path(folder) / "runs"
        runs.mkdir()
        chat_rows(count, rows)
        return first_step(rows, runs, *python)


def measure(task: Task) -> dict[str, Any]:
    if task.kind == "start":
        found = measured(500)
        return found | {"import_seconds": measured(500, "-X", "importtime")["import_seconds"], "settings": "500 rows"}
    few, many = measured(FEW), measured(MANY)
    growth = many["peak_memory_bytes"] / few["peak_memory_bytes"]
    before = f"{few['first_step_seconds']:.1f} s, {few['peak_memory_bytes'] / 1e6:,.0f} MB"
    del many["import_seconds"]
    return many | {"memory_growth": growth, "settings": f"{MANY:,} rows; with {FEW:,}: {before}"}


if __name__ == "__main__":
    print(json.dumps(measure(BY_NAME[sys.argv[2]])))
