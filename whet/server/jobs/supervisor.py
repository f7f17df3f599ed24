"""The server's workers: started with it, started again when they die, ended with it; and what must be tidied up.

A worker's standard input is a pipe of the server's: however the server ends, the pipe closes, and the worker with it.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from sqlalchemy.exc import DBAPIError

from whet.errors import WhetError
from whet.server.database.opening import Database
from whet.server.files.content import Contents
from whet.server.jobs.housekeeping import tidy
from whet.server.settings import Settings

LOOK_SECONDS, TIDY_SECONDS = 0.5, 60.0
FIRST_PAUSE, LONGEST_PAUSE, STEADY_SECONDS = 1.0, 60.0, 60.0
"""Before a worker that died is started again, doubled while it dies young."""
STOP_SECONDS = 10.0
log = logging.getLogger("whet.server.workers")


@dataclass
class Worker:
    number: int
    process: subprocess.Popen[bytes] | None = None
    began: float = 0.0
    pause: float = FIRST_PAUSE
    again_at: float = 0.0


@dataclass
class Workers:
    settings: Settings
    database: Database
    contents: Contents
    _workers: list[Worker] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    processes: ClassVar[int | None] = None
    """How many are started; None: as many as the settings say."""
    options: ClassVar[tuple[str, ...]] = ()

    @property
    def at_once(self) -> int:
        """Jobs that train at once, as far as is known."""
        return self.settings.workers

    @property
    def trouble(self) -> str | None:
        """Why no job is begun at the moment, in words for everybody; None where nothing is known to be wrong."""
        return None

    def start(self) -> None:
        count = self.settings.workers if self.processes is None else self.processes
        self._workers = [Worker(number) for number in range(count)]
        self._thread = threading.Thread(target=self._watch, name="workers", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Their jobs go back into the queue, and go on from their checkpoints when the server is back."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        for worker in self._workers:
            if worker.process is not None and worker.process.stdin is not None:
                worker.process.stdin.close()

        until = time.monotonic() + STOP_SECONDS
        for worker in self._workers:
            if worker.process is None:
                continue
            try:
                worker.process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()

    def pids(self) -> list[int]:
        """Of those that are alive."""
        return [worker.process.pid for worker in self._workers if worker.process and worker.process.poll() is None]

    def _watch(self) -> None:
        tidied = float("-inf")
        while not self._over.wait(0 if tidied == float("-inf") else LOOK_SECONDS):
            for worker in self._workers:
                self._look_at(worker)
            if time.monotonic() - tidied > TIDY_SECONDS:
                tidied = time.monotonic()
                _trying(lambda: tidy(self.database, self.contents, self.settings.home))

    def _look_at(self, worker: Worker) -> None:
        now = time.monotonic()
        if worker.process is not None and worker.process.poll() is None:
            return
        if worker.process is not None:
            log.warning("worker %d ended with %s", worker.number, worker.process.returncode)
            worker.pause = FIRST_PAUSE if now - worker.began > STEADY_SECONDS else min(LONGEST_PAUSE, 2 * worker.pause)
            worker.process, worker.again_at = None, now + worker.pause / 2
        if now >= worker.again_at:
            worker.began = now
            worker.process = self._started(worker.number)

    def _started(self, number: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "whet.server.jobs.worker", "--home", str(self.settings.home), "--with-parent"]
        command += ["--checkpoint-seconds", str(self.settings.checkpoint_seconds), *self.options]
        devices = len(list(Path("/dev").glob("nvidia[0-9]*")))
        if devices and "CUDA_VISIBLE_DEVICES" not in os.environ:
            command += ["--gpu", str(number % devices)]
        inherited = dict(os.environ, WHET_DATABASE=self.settings.database_url)  # a URL may hold a password
        return subprocess.Popen(command, stdin=subprocess.PIPE, env=inherited)


def _trying(act: Callable[[], None]) -> None:
    try:
        act()
    except (WhetError, DBAPIError, OSError):
        log.exception("tidying up failed; it is tried again")
