"""A Ray cluster of the test's own, on this machine alone: its token is made up, and it ends with the test."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[4]
PROCESSORS = 2
START_SECONDS = 60
# Ray reads how clients show who they are when it is first imported. Its nodes listen at all addresses of a machine,
# and whoever reaches one of a cluster without a token may run what he likes.
os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}


@dataclass(frozen=True)
class OwnRay:
    dashboard: str
    client: str
    process: psutil.Process

    def kill(self) -> None:
        """All of it at once, as when the machine is switched off."""
        _kill(self.process)


@contextmanager
def own_ray(with_client: bool = False) -> Iterator[OwnRay]:
    """Needs `whet[ray]`. Its nodes find the Whet that is tested, and the token is in this process's environment."""
    folder = Path(tempfile.mkdtemp(prefix="whet-ray-", dir="/tmp"))  # the paths of its sockets must be short
    dashboard, client, agent = (_free_port() for _ in range(3))
    programs = Path(sys.executable).parent
    command = [str(programs / "ray"), "start", "--head", "--block", "--node-ip-address=127.0.0.1", "--port=0"]
    command += ["--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}", f"--dashboard-agent-listen-port={agent}"]
    command += [f"--num-cpus={PROCESSORS}", "--num-gpus=0", "--object-store-memory=80000000", f"--temp-dir={folder}"]
    command += ["--min-worker-port=0", "--max-worker-port=0", "--include-log-monitor=false", "--disable-usage-stats"]
    if with_client:
        command.append(f"--ray-client-server-port={client}")

    log = folder / "start.log"
    with log.open("w") as out:
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"  # where the cluster's `python` is found
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": path}
        started = subprocess.Popen(command, env=environment, stdout=out, stderr=out, start_new_session=True)
    made = OwnRay(f"http://127.0.0.1:{dashboard}", f"ray://127.0.0.1:{client}", psutil.Process(started.pid))
    try:
        _await_start(dashboard, started, log)
        yield made
    finally:
        made.kill()
        started.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _await_start(port: int, started: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while "Ray runtime started" not in log.read_text():
        assert started.poll() is None and time.monotonic() < until, log.read_text()
        time.sleep(0.1)


def _kill(process: psutil.Process) -> None:
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for one in family:
        try:
            one.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(family, 10)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
