"""The tuned models that are exported: short runs of every kind that a form treats in its own way.

They are trained at a high rate, so that base and tuned model differ by what can be seen; how good they are is of no
matter here. Runs stay in the folder and are taken again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bench.real_base import real_base
from bench.releases import bases
from whet.demo_data.support_desk import generate
from whet.store.run import Run
from whet.verbs.train import train

ROWS = 240
COMMON: dict[str, Any] = {"steps": 16, "learning_rate": 3e-3, "keep": False, "dtype": "float32"}


@dataclass(frozen=True, slots=True)
class Planned:
    """A run: its base, its recipe beside COMMON, and which seed made its rows."""

    base: str
    recipe: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    task: str = "chat"


LORA = {"adapter.rank": 8, "adapter.alpha": 16}
RUNS = {
    "lora": Planned("begun", LORA | {"adapter.alpha_pattern": {"v_proj": 48, "down_proj": 40}}),
    "other": Planned("begun", LORA | {"adapter.alpha_pattern": {"v_proj": 48, "down_proj": 40}}, seed=1),
    "rslora": Planned("nano", {"adapter.rank": 16, "adapter.alpha": 16, "adapter.rslora": True}),
    "dora": Planned("nano", {"adapter.dora": True, "adapter.rank": 8}),
    "saved": Planned("begun", LORA | {"adapter.modules_to_save": ["embed_tokens"]}),
    "full": Planned("nano", {"adapter.kind": "full", "learning_rate": 3e-4}),
    "nf4": Planned("nano", LORA | {"quantise": "nf4"}),
    "stretched": Planned("stretched", LORA),
    "classify": Planned("nano", LORA | {"method.kind": "classify"}, task="classify"),
    "dpo": Planned("nano", LORA | {"method.kind": "dpo"}, task="pairs"),
    "real": Planned("real", LORA | {"learning_rate": 1e-3, "steps": 12}),
}


def run_of(name: str, home: Path) -> Run:
    """The finished run; trained now where it is not there yet."""
    planned, folder = RUNS[name], home / "runs" / name
    if (folder / "status.json").is_file() and (done := Run.open(folder)).status == "done":
        return done
    rows, base = _rows(planned, home / "data"), str(base_of(planned.base, home))
    train(str(rows), run_root=home / "runs", name=name, base=base, **_nested(COMMON | planned.recipe))
    return Run.open(folder)


def _nested(flat: dict[str, Any]) -> dict[str, Any]:
    """`a.b` as a dictionary in a dictionary."""
    found: dict[str, Any] = {}
    for key, value in flat.items():
        *path, last = key.split(".")
        place = found
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value

    return found


def base_of(name: str, home: Path) -> Path | str:
    made: dict[str, Callable[[], Path | str]] = {
        "nano": lambda: "nano",
        "real": real_base,
        "begun": partial(bases.begun, home / "bases" / "begun"),
        "stretched": partial(bases.stretched, home / "bases" / "stretched"),
    }
    return made[name]()


def _rows(planned: Planned, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{planned.task}-{planned.seed}.jsonl"
    if not file.is_file():
        made = [_as(planned.task, row) for row in generate(ROWS, planned.seed)]
        file.write_text("".join(json.dumps(row) + "\n" for row in made), "utf-8")
    return file


def _as(task: str, row: dict[str, str]) -> dict[str, Any]:
    """A row of the support desk for another task: its queue as a class, its answer against one cut short."""
    if task == "chat":
        return row
    question, answer = row["prompt"], row["completion"]
    if task == "classify":
        return {"text": question, "label": ("short", "long")[len(question) > 100]}
    return {"prompt": question, "chosen": answer, "rejected": answer[: len(answer) // 2]}
