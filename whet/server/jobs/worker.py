"""A worker: takes jobs and chores off the queue, and runs each as a child that can be killed.

    python -m whet.server.jobs.worker --database URL --home DIR

This process beats for its children every second and does nothing else, so that a job that hangs in native code, or eats
all memory, takes nothing with it. Children are forked from a process that has imported everything, and so begin at
once. With --with-parent it ends when its standard input closes, that is with the server that started it.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy.exc import DBAPIError

from whet.server.database.opening import Database, open_database
from whet.server.jobs import chores, queue
from whet.server.jobs.children.child import BUSY, PRELOADED, run_chore, run_job
from whet.server.jobs.process_group import end_group_of, how_ended
from whet.server.settings import Settings

POLL_SECONDS, BEAT_SECONDS = 0.25, 1.0
IDLE_SECONDS = 1.0
"""Between two looks for work."""
log = logging.getLogger("whet.server.worker")


class Work(Protocol):
    """What is claimed, run in a child, and given back."""

    def claim(self) -> tuple[Callable[..., None], tuple[Any, ...]] | None:
        """What a child is to run; None where nothing waits."""
        ...

    def beat(self) -> bool:
        """False where the work is not this worker's any more."""
        ...

    def give_back(self, failed: str | None) -> None:
        """The child ended without an end of its work; None: it was stopped, and has not failed."""


@dataclass
class Jobs:
    database: Database
    url: str
    home: Path
    owner: str
    kept: float
    lease: queue.Lease | None = None

    def claim(self) -> tuple[Callable[..., None], tuple[Any, ...]] | None:
        self.lease = queue.claim(self.database, self.owner)
        if self.lease is None:
            return None
        log.info("job %s, fence %d", self.lease.job, self.lease.fence)
        return run_job, (self.url, str(self.home), self.lease, self.kept)

    def beat(self) -> bool:
        assert self.lease is not None
        try:
            queue.renew(self.database, self.lease)
        except queue.LeaseLost:
            return False
        return True

    def give_back(self, failed: str | None) -> None:
        assert self.lease is not None
        with suppress(queue.LeaseLost):  # it has ended its job itself, or nobody wants it any more
            queue.release(self.database, self.lease, failed)


@dataclass
class Chores:
    database: Database
    url: str
    home: Path
    owner: str
    chore: chores.Chore | None = None

    def claim(self) -> tuple[Callable[..., None], tuple[Any, ...]] | None:
        self.chore = chores.claim_chore(self.database, self.owner)
        if self.chore is None:
            return None
        return run_chore, (self.url, str(self.home), self.chore, self.owner)

    def beat(self) -> bool:
        assert self.chore is not None
        return chores.renew_chore(self.database, self.chore.id, self.owner)

    def give_back(self, failed: str | None) -> None:
        assert self.chore is not None
        chores.release_chore(self.database, self.chore.id, self.owner, failed is not None)


@dataclass
class Lane:
    """One child at a time."""

    work: Work
    context: Any
    child: Any = None
    beaten: float = 0.0
    looked: float = float("-inf")
    lost: bool = field(default=False)

    def turn(self) -> None:
        """A look at the child, or for work. Errors of the database are the caller's."""
        now = time.monotonic()
        if self.child is None:
            if now - self.looked >= IDLE_SECONDS:
                self.looked = now
                self._begin()
            return

        if not self.child.is_alive():
            self._reap()
        elif now - self.beaten >= BEAT_SECONDS:
            if not self.work.beat():
                end_group_of(self.child)
                self.child = None
                self.looked = float("-inf")
            self.beaten = now

    def overdue(self) -> bool:
        """Whether others must take this worker for dead, because the database was not reached for too long."""
        return self.child is not None and time.monotonic() - self.beaten > 0.75 * chores.LEASE_SECONDS

    def drop(self) -> None:
        """Ends the child; somebody else has its work by now."""
        end_group_of(self.child)
        self.child = None

    def stop(self) -> None:
        """Ends the child and gives its work back, not as a failure."""
        if self.child is not None:
            end_group_of(self.child)
            self.child = None
            self.work.give_back(None)

    def _begin(self) -> None:
        claimed = self.work.claim()
        if claimed is None:
            return
        target, arguments = claimed
        child = self.context.Process(target=target, args=arguments)
        try:
            child.start()
        except (EOFError, OSError) as error:  # what children are forked from is gone: the next start makes another
            log.warning("no child could be started: %s", error or type(error).__name__)
            self.work.give_back(None)
            return
        self.child, self.beaten = child, time.monotonic()

    def _reap(self) -> None:
        code = self.child.exitcode
        end_group_of(self.child)  # what it started may live on
        self.child = None
        self.looked = float("-inf")
        self.work.give_back(None if code == BUSY else how_ended(code))


def starting_context() -> Any:
    """Children are forked from a process that has imported everything, where a system can."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    return context


def prepare_children(context: Any) -> None:
    """Returns when a child begins at once. Done before anything is claimed, nobody waits for the imports with a lease,
    which a busy machine would let run out."""
    first = context.Process(target=_do_nothing)
    first.start()
    first.join()


def _do_nothing() -> None: ...


def work(url: str, home: Path, stopped: threading.Event, kept: float, only_chores: bool = False) -> None:
    """Until `stopped` is set. `only_chores`: jobs are left to others."""
    context = starting_context()
    database = open_database(url)
    owner = name_of_worker()
    works: list[Work] = [] if only_chores else [Jobs(database, url, home, owner, kept)]
    works.append(Chores(database, url, home, owner))
    lanes = [Lane(work, context) for work in works]

    while not stopped.wait(POLL_SECONDS):
        for lane in lanes:
            take_turn(lane)
    stop_lanes(lanes)
    database.close()


def take_turn(lane: Lane) -> None:
    """What the lane runs ends where the database was not reached for so long that others have taken it over."""
    try:
        lane.turn()
    except DBAPIError as error:
        log.warning("the database cannot be reached: %s", error.orig)
        if lane.overdue():
            lane.drop()


def stop_lanes(lanes: list[Lane]) -> None:
    for lane in lanes:
        with suppress(DBAPIError):
            lane.stop()


def name_of_worker() -> str:
    """Of no other process, on no other machine."""
    return f"{socket.gethostname()}-{os.getpid()}-{time.time_ns():x}"


def on_stop_signals() -> threading.Event:
    """Set when this process is told to stop."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    return stopped


def begin_log() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m whet.server.jobs.worker", description="Works off fine-tuning jobs."
    )
    parser.add_argument("--database", default=os.environ.get("WHET_DATABASE"), help="URL; default: WHET_DATABASE")
    parser.add_argument("--home", required=True, type=Path, help="the home folder of the service")
    parser.add_argument("--gpu", help="the device of its jobs, as CUDA_VISIBLE_DEVICES has it")
    parser.add_argument("--checkpoint-seconds", type=float, default=Settings(Path()).checkpoint_seconds)
    parser.add_argument("--with-parent", action="store_true", help="end when standard input closes")
    parser.add_argument("--only-chores", action="store_true", help="examine files, and leave jobs to others")
    given = parser.parse_args()
    begin_log()

    if given.gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = given.gpu
    stopped = on_stop_signals()
    if given.with_parent:
        threading.Thread(target=_await_parent, args=(stopped,), daemon=True).start()

    url = given.database or Settings(given.home).database_url
    work(url, given.home, stopped, given.checkpoint_seconds, given.only_chores)


def _await_parent(stopped: threading.Event) -> None:
    """Not through sys.stdin: the interpreter aborts where it ends while a thread holds the lock of that."""
    while os.read(0, 1024):
        continue
    stopped.set()


if __name__ == "__main__":
    main()
