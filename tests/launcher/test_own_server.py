"""`whet tune --at` our own service gives the verdict that the local run gives, within sampling noise."""

from __future__ import annotations

import math
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.launcher.conftest import write_rows
from tests.notes import Notes
from whet.launcher.tuning import tune_at
from whet.verbs.tune import tune

pytestmark = pytest.mark.slow
TESTED = 30
"""Of 300 rows."""
STARTS_WITHIN = 120.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "whet", "serve", "nano", "--no-auth", "--port", str(port)]
    said = (tmp_path / "serve.txt").open("w")
    process = subprocess.Popen([*command, "--home", str(tmp_path / "home")], stdout=said, stderr=said, env=os.environ)
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + STARTS_WITHIN
        while not _answers(f"{url}/health"):
            assert process.poll() is None and time.monotonic() < until, (tmp_path / "serve.txt").read_text()
            time.sleep(0.5)
        yield f"{url}/v1"
    finally:
        process.terminate()
        process.wait(60)
        said.close()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_one_verdict_wherever_the_training_ran(server: str, tmp_path: Path) -> None:
    keys: dict[str, Any] = {"data": str(write_rows(tmp_path, 300))}
    keys["evaluate"] = {"against": ["base"], "forgetting": False}
    here = tune(keys, run_root=tmp_path / "here")
    notes = Notes()
    there = tune_at(keys, server, run_root=tmp_path / "there", observer=notes)

    assert there["verdict"]["word"] == here["verdict"]["word"] == "better"
    assert [there["ledger"][key] for key in ("trained", "held_out")] == [
        here["ledger"][key] for key in ("trained", "held_out")
    ]
    assert abs(there["base"]["score"] - here["base"]["score"]) <= 1 / TESTED  # the same model and the same questions
    share = (there["tuned"]["score"] + here["tuned"]["score"]) / 2
    noise = 1.96 * math.sqrt(2 * share * (1 - share) / TESTED)
    assert abs(there["tuned"]["score"] - here["tuned"]["score"]) <= noise
    assert there["difference"]["rows"] == TESTED and there["elsewhere"]["hyperparameters"]["n_epochs"] > 1
    assert any(note.startswith("the service's own estimate: ") for note in notes.notes)
    assert there["elsewhere"]["tuned_model"].startswith("ft:nano:")
