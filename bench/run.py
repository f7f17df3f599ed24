"""`make bench`: every side of every task in turn, several times, then medians, ratios and RESULTS.md.

    python -m bench.run --only sft-lora,start --repeats 1

Each measurement is a process of its own and ends with one JSON line. The lines of the last run of each side are kept
in FOLDER/lines.jsonl, so that a run of some tasks leaves the others in the results.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.arithmetic import Line
from bench.limit import share_of_limit
from bench.machine import facts
from bench.plot import svg
from bench.table import CURVES, results
from bench.tasks import BY_NAME, TASKS, Task

HERE = Path(__file__).parent
MODULES = {
    "rollouts": "side_rollouts",
    "generate": "side_generate",
    "start": "side_start",
    "rows": "side_start",
    "limit": "side_limit",
}


def module_of(task: Task, side: str) -> str:
    if task.kind == "train":
        return "bench.side_whet" if side == "whet" else "bench.side_trl"
    return f"bench.{MODULES[task.kind]}"


def measure(folder: Path, task: Task, side: str, repeat: int) -> Line:
    """One measurement in a process of its own. Raises RuntimeError with the end of what it wrote when it fails."""
    command = [sys.executable, "-m", module_of(task, side), str(folder), task.name, side]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(command, cwd=HERE.parent, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    line = json.loads(done.stdout.strip().splitlines()[-1])
    return {"task": task.name, "side": side, "repeat": repeat, **line}


def prepare(folder: Path, task: Task) -> None:
    """The rows and models of a task, made in a process of its own so that this one never holds a model."""
    if task.kind in ("train", "rollouts", "generate"):
        subprocess.run([sys.executable, "-m", "bench.material", str(folder), task.name], cwd=HERE.parent, check=True)


def turns(task: Task, repeats: int) -> list[tuple[int, str]]:
    """(repeat, side) in the order of measuring: sides in turn, every other round backwards, so that nobody is always
    the one that comes after a long job."""
    rounds = [task.sides if repeat % 2 == 0 else task.sides[::-1] for repeat in range(repeats)]
    return [(repeat, side) for repeat, sides in enumerate(rounds) for side in sides]


def with_shares(folder: Path, lines: Sequence[Line]) -> list[Line]:
    """Each line of a 135M training by SFT with its share of the limit, where the limit has been measured."""
    limits = [line["gflops_bfloat16"] for line in lines if line["task"] == "limit"]
    shared = []
    for line in lines:
        task = BY_NAME[line["task"]]
        if limits and task.kind == "train" and task.method == "sft" and task.model == "135m":
            made = json.loads((folder / f"{task.name}.facts.json").read_text())
            tokens, supervised = sum(made["tokens"][1:]), sum(made["supervised"][1:])
            share = share_of_limit(tokens, supervised, task.adapter, line["tokens_per_second"], max(limits))
            line = line | {"share_of_limit": share}
        shared.append(line)
    return shared


def keep(path: Path, new: Sequence[Line]) -> list[Line]:
    """The lines kept before, those of sides measured anew replaced, in the file and as the result."""
    fresh = {(line["task"], line["side"]) for line in new}
    before = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    lines = [line for line in before if (line["task"], line["side"]) not in fresh and line["task"] in BY_NAME] + list(
        new
    )
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Whet beside TRL + PEFT and transformers")
    parser.add_argument("--only", default="", help="tasks, separated by commas; default all: " + ", ".join(BY_NAME))
    parser.add_argument("--sides", default="", help="sides, separated by commas; default all")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("build/bench"), help="models, rows and lines")
    parser.add_argument("--out", type=Path, default=HERE, help="where RESULTS.md and the plot go")
    asked = parser.parse_args(arguments)
    unknown = {name for name in asked.only.split(",") if name} - set(BY_NAME)
    if unknown:
        parser.error(f"no such task: {', '.join(sorted(unknown))}; known: {', '.join(BY_NAME)}")
    tasks = [BY_NAME[name] for name in asked.only.split(",") if name] or list(TASKS)
    folder = asked.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    shown = list(dict.fromkeys([*TASKS, *tasks]))
    for task in tasks:
        prepare(folder, task)
        lines: list[Line] = []
        for repeat, side in turns(task, asked.repeats):
            if asked.sides and side not in asked.sides.split(","):
                continue
            print(f"{task.name}: {side}, {repeat + 1} of {asked.repeats}", file=sys.stderr, flush=True)
            lines.append(measure(folder, task, side, repeat))
        every = with_shares(folder, keep(folder / "lines.jsonl", lines))
        page = results(shown, every, facts())
        (asked.out / "RESULTS.md").write_text(page)
        (asked.out / CURVES).write_text(svg(shown, every))
    print(page)


if __name__ == "__main__":
    main()
