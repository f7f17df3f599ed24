"""`whet tune --json` as a user calls it, once for each question: the answer is kept, and read when it is asked again.

FOLDER/answers/NAME-KEY.json holds what one call gave; KEY stands for the rows, the base and the settings, not for the
code, so that a bench which was stopped goes on. Remove the folder to measure changed code.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from bench.sets import write_set
from whet.store.atomic import write_json
from whet.store.reading import read_lines

ROOT = Path(__file__).parents[1]


def tuned(
    folder: Path, name: str, base: str, settings: Sequence[str] = (), rows: int | None = None, label: str = ""
) -> dict[str, Any]:
    """What `whet tune` says of a set of bench/sets.py, with the run's recipe and `wall`, the seconds of the command.

    A call that failed is an answer too: {"failed": the last lines of what it wrote}; it is asked again the next time.
    """
    data, test = write_set(name, folder / "sets", rows)
    return tuned_on(data, test, folder, f"{name}-{label or 'run'}", base, settings)


def tuned_on(
    data: Path, test: Path, folder: Path, name: str, base: str, settings: Sequence[str] = ()
) -> dict[str, Any]:
    """The same of any two files of rows, which are read for the key of the answer."""
    key = hashlib.sha256()
    for part in (data.read_bytes(), test.read_bytes(), base.encode(), *sorted(one.encode() for one in settings)):
        key.update(hashlib.sha256(part).digest())
    place = folder / "answers" / f"{name}-{key.hexdigest()[:12]}.json"
    if place.is_file():
        return json.loads(place.read_text("utf-8"))
    answer = _asked(data, test, base, settings, folder / "runs", place.stem)
    if "failed" not in answer:
        write_json(place, answer)
    return answer


def _asked(data: Path, test: Path, base: str, settings: Sequence[str], runs: Path, name: str) -> dict[str, Any]:
    words = [f"test={test.resolve()}", f"base={base}", *settings]
    command = [sys.executable, "-m", "whet", "tune", str(data.resolve()), "--json", "--name", name]
    command += ["--runs", str(runs.resolve()), *(part for word in words for part in ("--set", word))]
    began = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        return {"failed": (done.stderr.strip() or done.stdout.strip())[-300:]}
    run = runs / name
    recipe = yaml.safe_load((run / "recipe.resolved.yaml").read_text("utf-8"))
    result = json.loads(done.stdout)
    return result | {"recipe": recipe, "validation": validation_of(run, result), "wall": time.perf_counter() - began}


def validation_of(run: Path, result: dict[str, Any]) -> dict[str, float]:
    """The validation loss, and accuracy where there is one, of the step that was kept."""
    kept = result["stopped"]["best_step"]
    lines = [line for line in read_lines(run / "metrics.jsonl") if "validation_loss" in line and line["step"] == kept]
    found = lines[-1] if lines else {}
    return {key: found[f"validation_{key}"] for key in ("loss", "accuracy") if f"validation_{key}" in found}
