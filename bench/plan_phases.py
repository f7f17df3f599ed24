"""A real `whet tune` in a process of its own, watched: seconds and peak memory of each of its phases.

    python -m bench.plan_phases RECIPE.json FOLDER

prints one JSON object: what `whet tune --json` says of time and memory, and a list of phases. The peak of a phase is
the most memory that the system gave the process in it (VmHWM, which Linux sets back on request: proc(5), clear_refs).
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SKILLS = "writing skills"
"""The same function writes these answers as those to the test rows, and this phase is of the skills alone."""
INSIDE = {
    ("whet.training.session", "self_check"): "the self-check",
    ("whet.training.session", "run_largest_step"): "the largest step",
    ("whet.methods.dpo", "references"): "the base's references",
    ("whet.methods.kto", "references"): "the base's references",
    ("whet.training.hooks", "mean_loss"): "a validation",
    ("whet.training.session", "load_best"): "saving the model",
    ("whet.training.hooks", "save_last"): "a checkpoint",
    ("whet.evaluation.contest", "generate_answers"): "writing answers",
    ("whet.evaluation.forgetting.measure_forgetting", "_skills"): SKILLS,
    ("whet.evaluation.forgetting.measure_forgetting", "_suite"): SKILLS,
    ("whet.evaluation.forgetting.measure_forgetting", "text_nll"): "reading general text",
    ("whet.evaluation.forgetting.measure_forgetting", "kl_by_prompt"): "the distance from the base",
    ("whet.verbs.steps.stages", "open_trained"): "opening the model",
    ("whet.verbs.steps.stages", "write_report"): "the report",
    ("whet.training.retention.replay", "own_samples"): "the base's own samples",
}
"""Functions that are a phase of their own: module, name."""


class Phases:
    """An observer that keeps the clock and the peak of every phase."""

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []
        self.began, self.worked = time.perf_counter(), 0.0
        self.name = "starting"

    def phase(self, name: str, total: int | None = None) -> None:
        self.close()
        self.name = name

    def close(self) -> None:
        now, work = time.perf_counter(), time.process_time()
        spent = {"seconds": now - self.began, "work": work - self.worked}
        self.found.append({"phase": self.name, **spent, "peak": status("VmHWM"), "after": status("VmRSS")})
        Path("/proc/self/clear_refs").write_text("5")
        self.began, self.worked = now, work

    def inside(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        """The function as a phase within the one that calls it, which goes on afterwards; within the skills a part of
        them."""

        def watched(*args: Any, **keys: Any) -> Any:
            outer = self.name
            if outer == SKILLS:
                return function(*args, **keys)

            self.phase(name)
            try:
                return function(*args, **keys)
            finally:
                self.phase(outer)

        return watched

    def step(self, step: int, total: int, facts: dict[str, Any]) -> None: ...

    def note(self, text: str) -> None: ...

    def done(self) -> None:
        self.close()


def status(key: str) -> int:
    """Bytes of a line of /proc/self/status."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{key}:"))
    return int(line.split()[1]) * 1024


def watched(recipe: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Tunes in this process."""
    began, watch = time.perf_counter(), Phases()
    from whet import api

    for (module, name), words in INSIDE.items():
        place = importlib.import_module(module)
        setattr(place, name, watch.inside(getattr(place, name), words))
    result = api.tune(recipe.pop("data"), run_root=folder, observer=watch, **recipe)
    return {
        "seconds": result["seconds"],
        "evaluation_seconds": result["evaluation_seconds"],
        "whole": time.perf_counter() - began,
        "peak": max(phase["peak"] for phase in watch.found),
        "phases": watch.found,
        "run": result["run"],
    }


def in_a_process(recipe: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The same in a process of its own, so that nothing but the tune lies in its memory."""
    folder.mkdir(parents=True, exist_ok=True)
    written = folder / "recipe.json"
    written.write_text(json.dumps(recipe), "utf-8")
    command = [sys.executable, "-m", "bench.plan_phases", str(written), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{recipe}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    print(json.dumps(watched(json.loads(Path(sys.argv[1]).read_text("utf-8")), Path(sys.argv[2]))))
