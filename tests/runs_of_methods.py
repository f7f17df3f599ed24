"""One small finished run of a method, for all tests that want no more than that: made once, by whoever needs it first.

The processes of one session of tests share it, so nobody writes into it: `copy_of_run` gives each its own copy. A test
whose subject is how a run comes about makes its own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from filelock import FileLock

import whet
from whet.demo_data.support_desk import generate

KINDS = ("refund", "damaged_item", "cancel_order")
DONE = "made"
"""The file that is written last: without it nobody takes the run for finished."""


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """Where all processes of a session of tests keep the runs that they share."""
    own = factory.getbasetemp()
    return own.parent if os.environ.get("PYTEST_XDIST_WORKER") else own


def copy_of_run(kind: str, shared: Path, to: Path) -> Path:
    """A copy, in the folder `to`, of the run of the method `kind`; `shared` is the folder of all processes."""
    home = shared / f"run-of-{kind}"
    with FileLock(f"{home}.lock"):
        if not (home / DONE).exists():
            home.mkdir(exist_ok=True)
            RUNS[kind](home)
            (home / DONE).touch()
    return Path(copytree(home / "runs" / kind, to / kind))


def _sft(home: Path) -> None:
    """20 steps on answers of a support desk: other words than the base's, so that it can teach."""
    settings: dict[str, Any] = {"steps": 20, "dtype": "float32", "split.near_duplicates": "false", "keep": False}
    data = _written(home / "desk.jsonl", generate(120, seed=0))
    whet.train(data, run_root=home / "runs", name="sft", **settings)


def _reward(home: Path) -> None:
    """30 steps on pairs of which the polite one is the better, with their margins; measured, too."""
    rows = [
        {
            "prompt": f"How do I cancel order {n * 37 % 1000}?",
            "chosen": f"Gladly. Please open order {n * 37 % 1000} and press cancel. Thank you.",
            "rejected": f"Open order {n * 37 % 1000} and press cancel. Do not ask again.",
            "margin": 0.5,
        }
        for n in range(120)
    ]
    settings: dict[str, Any] = {"steps": 30, "split.near_duplicates": "false", "dtype": "float32"}
    data = _written(home / "pairs.jsonl", rows)
    whet.tune(data, run_root=home / "runs", name="reward", method="reward", **settings)


def _tuned(home: Path) -> None:
    """A whole tune of three kinds of messages, with its verdict and its golden answers; nothing else is measured."""
    rows = [{"prompt": text, "completion": kind} for text, kind in messages_of(KINDS, 150)]
    settings: dict[str, Any] = {"steps": 40, "keep": False, "dtype": "float32"}
    settings |= {"evaluate.forgetting": False, "evaluate.against": ["base", "constant"]}
    whet.tune(_written(home / "intents.jsonl", rows), run_root=home / "runs", name="tuned", **settings)


def messages_of(kinds: Sequence[str], count: int) -> list[tuple[str, str]]:
    """Messages to a support desk, each with which of these kinds it is."""
    asked = [(row["prompt"], json.loads(row["completion"])["intent"]) for row in generate(6 * count, seed=3)]
    found = [(text, kind) for text, kind in asked if kind in kinds][:count]
    assert len(found) == count, f"only {len(found)} messages are of these kinds"
    return found


def write_conversations(path: Path, turns: Sequence[tuple[str, str]]) -> Path:
    """A file of rows, each a message and its answer."""
    roles = ("user", "assistant")
    rows = [{"messages": [{"role": r, "content": c} for r, c in zip(roles, turn, strict=True)]} for turn in turns]
    return Path(_written(path, rows))


RUNS: dict[str, Callable[[Path], None]] = {"sft": _sft, "reward": _reward, "tuned": _tuned}


def _written(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return str(path)
