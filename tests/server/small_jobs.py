"""Jobs on nano that take seconds, as a client makes them, and what became of them on the disk of the service."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from openai import OpenAI
from openai.types.fine_tuning import FineTuningJob

from whet.store.atomic import sha256_file

NAMES = ("Ann", "Bob", "Cid", "Dee", "Eve")
QUICK = {
    "keep": False,
    "evaluate": {"forgetting": False, "against": ["base"], "every": 3, "early_stop": False},
    "checkpoint_every": 3,
}
"""Keys of a recipe that leave out what takes the time of so small a job."""


def rows(count: int = 24) -> list[dict[str, Any]]:
    return [
        {
            "messages": [
                {"role": "user", "content": f"Sign order {n * 7 % 89}-{n * 5 % 83} for {NAMES[n % 5]}"},
                {"role": "assistant", "content": f"Order {n * 7 % 89}-{n * 5 % 83} is signed."},
            ]
        }
        for n in range(1, count + 1)
    ]


def lines(values: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(value) + "\n" for value in values).encode()


def start(
    client: OpenAI, values: list[dict[str, Any]], whet: dict[str, Any] | None = None, **more: Any
) -> FineTuningJob:
    uploaded = client.files.create(file=("rows.jsonl", lines(values)), purpose="fine-tune").id
    own = {"whet": QUICK if whet is None else whet}
    return client.fine_tuning.jobs.create(model="nano", training_file=uploaded, seed=1, extra_body=own, **more)


def finished(client: OpenAI, job: str, seconds: float = 240) -> FineTuningJob:
    until = time.monotonic() + seconds
    while True:
        told = client.fine_tuning.jobs.retrieve(job)
        if told.status in ("succeeded", "failed", "cancelled"):
            return told
        assert time.monotonic() < until, told
        time.sleep(0.2)


def run_of(home: Path, job: str, seconds: float = 120) -> Path:
    until = time.monotonic() + seconds
    while not (found := list((home / "runs").glob(f"*/{job}"))):
        assert time.monotonic() < until
        time.sleep(0.05)
    return found[0]


def weights_of(run: Path) -> list[str]:
    return [
        sha256_file(run / "model" / "adapter_model.safetensors"),
        sha256_file(run / "checkpoints/best/weights.safetensors"),
    ]


def holder_of(run: Path) -> int:
    return int((run / "run.lock").read_text() or 0)


def kill_holder(run: Path) -> None:
    os.kill(holder_of(run), signal.SIGKILL)


def holder_lives(run: Path) -> bool:
    try:
        state = Path(f"/proc/{holder_of(run)}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def await_job(true: Callable[[], bool], job: str, seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, job
        time.sleep(0.02)
