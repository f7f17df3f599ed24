"""A service in a process of its own, as users start it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psutil


@contextmanager
def whet_serving(models: Sequence[str], home: Path, *options: str) -> Iterator[tuple[str, psutil.Process]]:
    """Without keys on a free port: the URL, and the process."""
    command = [
        sys.executable,
        "-m",
        "whet",
        "serve",
        *models,
        "--home",
        str(home),
        "--port",
        "0",
        "--no-auth",
        "--json",
    ]
    with open(home.parent / "serve.log", "ab") as log:
        process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout
        yield json.loads(process.stdout.readline())["url"], psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(120)


@contextmanager
def transformers_serving(model: str, port: int, *options: str) -> Iterator[str]:
    """`transformers serve`, of the same environment."""
    command = [str(Path(sys.executable).parent / "transformers"), "serve", model, "--port", str(port), *options]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, env={**os.environ, "HF_HUB_OFFLINE": "1"}, **quiet)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", 120)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(30)


def wait_for(url: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            urlopen(url, timeout=5).close()
            return
        except (URLError, OSError):
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
