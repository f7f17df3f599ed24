"""A worker's lanes, with children that do nothing but end as a test says; and its supervisor."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.made_jobs import add_job, job_row
from whet.errors import DiskFullError
from whet.server.database.opening import Database, open_database
from whet.server.files.content import Contents
from whet.server.jobs import chores, worker
from whet.server.jobs.children.child import BUSY, refuse_full_disk
from whet.server.jobs.queue import MOST_ATTEMPTS
from whet.server.jobs.records import cancel_job
from whet.server.jobs.supervisor import Workers
from whet.server.settings import Settings


def exit_with(code: int) -> None:
    os.setsid()
    os._exit(code)


def die() -> None:
    os.setsid()
    os.kill(os.getpid(), signal.SIGKILL)


def hang(pids: str) -> None:
    """With a child of its own, and deaf to anything but SIGKILL."""
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    inner = subprocess.Popen(["sleep", "600"])
    Path(pids).write_text(f"{os.getpid()} {inner.pid}")
    time.sleep(600)


class Jobs(worker.Jobs):
    """Whose child runs what the test wants."""

    target: tuple[Callable[..., None], tuple[Any, ...]] = (exit_with, (0,))

    def claim(self) -> tuple[Callable[..., None], tuple[Any, ...]] | None:
        return None if super().claim() is None else self.target


@pytest.fixture
def lane(tmp_path: Path) -> Iterator[worker.Lane]:
    url = f"sqlite:///{tmp_path / 'whet.sqlite'}"
    work = Jobs(open_database(url), url, tmp_path, "worker", 60.0)
    made = worker.Lane(work, multiprocessing.get_context("fork"))
    yield made
    if made.child is not None:  # the test failed: nothing may wait for a child that hangs
        made.drop()


def turn_until(lane: worker.Lane, true: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not true():
        assert time.monotonic() < until
        lane.turn()
        time.sleep(0.01)


def test_a_job_that_kills_its_worker_time_after_time_fails(lane: worker.Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "IDLE_SECONDS", 0.0)
    lane.work.target = (die, ())  # type: ignore[attr-defined]
    name = add_job(lane.work.database)  # type: ignore[attr-defined]
    turn_until(lane, lambda: job_row(lane.work.database, name).state == "failed")  # type: ignore[attr-defined]
    row = job_row(lane.work.database, name)  # type: ignore[attr-defined]
    assert row.attempts == MOST_ATTEMPTS and "SIGKILL, as when memory runs out" in row.error["message"]


def test_a_child_that_cannot_be_started_is_no_failure_of_the_job(
    lane: worker.Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that children are forked from was killed."""
    database = lane.work.database
    job = add_job(database)

    def killed(process: Any) -> None:
        raise EOFError("unexpected EOF")

    with monkeypatch.context() as patch:
        patch.setattr(multiprocessing.context.ForkProcess, "start", killed)
        lane.turn()
    row = job_row(database, job)
    assert lane.child is None and (row.state, row.attempts, row.owner) == ("queued", 0, None)

    lane.looked = float("-inf")
    lane.turn()
    assert lane.child is not None and job_row(database, job).attempts == 1


def test_a_run_that_is_held_is_no_failure_of_the_job(lane: worker.Lane) -> None:
    lane.work.target = (exit_with, (BUSY,))  # type: ignore[attr-defined]
    name = add_job(lane.work.database)  # type: ignore[attr-defined]
    turn_until(lane, lambda: lane.child is not None)
    turn_until(lane, lambda: lane.child is None)
    row = job_row(lane.work.database, name)  # type: ignore[attr-defined]
    assert (row.state, row.attempts) == ("queued", 0)


def test_a_cancelled_job_ends_with_all_that_it_started_within_seconds(lane: worker.Lane, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    lane.work.target = (hang, (str(pids),))  # type: ignore[attr-defined]
    database: Database = lane.work.database  # type: ignore[attr-defined]
    name = add_job(database)
    turn_until(lane, lambda: pids.exists() and len(pids.read_text().split()) == 2)

    began = time.monotonic()
    cancel_job(database, job_row(database, name).project, name)
    turn_until(lane, lambda: lane.child is None)
    assert time.monotonic() - began < 5
    for pid in pids.read_text().split():
        _await_end(int(pid))
    assert job_row(database, name).state == "cancelled"


def test_a_worker_that_is_stopped_gives_its_job_back(lane: worker.Lane, tmp_path: Path) -> None:
    lane.work.target = (hang, (str(tmp_path / "pids"),))  # type: ignore[attr-defined]
    database: Database = lane.work.database  # type: ignore[attr-defined]
    name = add_job(database)
    turn_until(lane, lambda: lane.child is not None)
    lane.stop()
    row = job_row(database, name)
    assert lane.child is None and (row.state, row.attempts) == ("queued", 0)


def test_where_there_are_no_groups_the_child_ends_alone(lane: worker.Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "killpg")  # as on Windows
    lane.work.target = (time.sleep, (600,))  # type: ignore[attr-defined]
    add_job(lane.work.database)  # type: ignore[attr-defined]
    turn_until(lane, lambda: lane.child is not None)
    pid = lane.child.pid
    lane.stop()
    _await_end(pid)


@pytest.mark.parametrize(("only_chores", "kinds"), [(False, ["Jobs", "Chores"]), (True, ["Chores"])])
def test_a_worker_that_leaves_jobs_to_others_looks_for_chores_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, only_chores: bool, kinds: list[str]
) -> None:
    made: list[str] = []
    lane = worker.Lane
    monkeypatch.setattr(worker, "Lane", lambda work, context: made.append(type(work).__name__) or lane(work, context))
    stopped = threading.Event()
    stopped.set()
    worker.work(f"sqlite:///{tmp_path / 'whet.sqlite'}", tmp_path, stopped, 60.0, only_chores)
    assert made == kinds


def test_chores_are_claimed_once_and_taken_over(database: Database) -> None:
    project = job_row(database, add_job(database)).project
    with database.write() as connection:
        names = [chores.add_chore(connection, project, "examine", {"n": n}, float(n)) for n in range(2)]
    first, second = chores.claim_chore(database, "a"), chores.claim_chore(database, "b")
    assert first is not None and second is not None and [first.id, second.id] == names
    assert chores.claim_chore(database, "c") is None
    assert not chores.renew_chore(database, first.id, "b") and chores.renew_chore(database, first.id, "a")

    chores.release_chore(database, first.id, "b", failed=True)  # who has it not cannot give it back
    assert chores.claim_chore(database, "c") is None
    for _ in range(chores.MOST_ATTEMPTS):
        chores.release_chore(database, first.id, "a", failed=True)
        first = chores.claim_chore(database, "a")
        assert first is not None
    assert first.given_up
    with database.write() as connection:
        chores.finish_chore(connection, first, "a", {"x": 1})
    assert chores.result_of(database, first.id) == {"x": 1}


def test_a_disk_without_room_is_told_before_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whet.server.jobs.children.child.free_bytes", lambda path: 300 << 20)
    refuse_full_disk(tmp_path, 0)
    with pytest.raises(DiskFullError, match="MB of disk, and 315 MB are free"):
        refuse_full_disk(tmp_path, 1_000_000)


def test_workers_are_started_again_and_end_with_the_server(tmp_path: Path) -> None:
    settings = Settings(tmp_path, workers=1)
    database = open_database(settings.database_url)
    workers = Workers(settings, database, Contents(tmp_path / "files", 100))
    workers.start()
    (first,) = _some(workers)
    os.kill(first, signal.SIGKILL)
    until = time.monotonic() + 20
    while workers.pids() in ([], [first]):
        assert time.monotonic() < until
        time.sleep(0.05)
    (second,) = workers.pids()
    workers.stop()
    _await_end(second)


def test_a_worker_ends_with_a_server_that_was_killed(tmp_path: Path) -> None:
    """The pipe closes, whatever became of its other end."""
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom whet.server.settings import Settings\n"
        "from whet.server.jobs.supervisor import Workers\nfrom whet.server.files.content import Contents\n"
        "from whet.server.database.opening import open_database\n"
        "home = Path(sys.argv[1])\nsettings = Settings(home, workers=1)\n"
        "workers = Workers(settings, open_database(settings.database_url), Contents(home / 'files', 1))\n"
        "workers.start()\n"
        "while not workers.pids(): time.sleep(0.05)\n"
        "print(*workers.pids(), flush=True)\ntime.sleep(600)\n"
    )
    server = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    pid = int(server.stdout.readline())
    server.kill()
    server.wait()
    _await_end(pid)


def _some(workers: Workers) -> list[int]:
    until = time.monotonic() + 20
    while not workers.pids():
        assert time.monotonic() < until
        time.sleep(0.05)
    return workers.pids()


def _await_end(pid: int) -> None:
    until = time.monotonic() + 20
    while _alive(pid):
        assert time.monotonic() < until, f"{pid} is still alive"
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
