"""What a Ray job runs, without Ray: one job by its fence, and nothing after it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.server.made_jobs import add_job, job_row
from whet.server.database.opening import Database, open_database
from whet.server.jobs.cluster import one_job
from whet.server.jobs.cluster.note import Note
from whet.server.jobs.events import list_events
from whet.server.jobs.records import cancel_job


def die(*_: object) -> None:
    os.setsid()
    os.kill(os.getpid(), signal.SIGKILL)


def hang(url: str, home: str, *_: object) -> None:
    os.setsid()
    (Path(home) / "began").touch()
    time.sleep(600)


@pytest.fixture
def note(tmp_path: Path) -> Note:
    return Note("service1", f"sqlite:///{tmp_path / 'whet.sqlite'}", "0")


@pytest.fixture
def database(note: Note, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setattr(one_job, "starting_context", lambda: multiprocessing.get_context("fork"))
    opened = open_database(note.database)
    yield opened
    opened.close()


@dataclass
class Running:
    job: str
    stopped: threading.Event
    thread: threading.Thread


@pytest.fixture
def running(tmp_path: Path, note: Note, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A job that hangs in a Ray job."""
    monkeypatch.setattr(one_job, "run_job", hang)
    name, stopped = add_job(database), threading.Event()
    thread = threading.Thread(target=one_job.run_one, args=(tmp_path, note, name, 0, 60.0, stopped))
    thread.start()
    until = time.monotonic() + 60
    while not (tmp_path / "began").exists():
        assert time.monotonic() < until
        time.sleep(0.02)
    yield Running(name, stopped, thread)
    stopped.set()
    thread.join()


def test_a_job_that_moved_on_since_it_was_submitted_is_not_run(
    tmp_path: Path, note: Note, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_job, "run_job", hang)
    name = add_job(database, fence=2)
    one_job.run_one(tmp_path, note, name, 0, 60.0, threading.Event())
    row = job_row(database, name)
    assert (row.state, row.fence, row.attempts) == ("queued", 2, 0) and not (tmp_path / "began").exists()


def test_a_program_that_is_killed_gives_its_job_back_and_takes_no_other(
    tmp_path: Path, note: Note, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_job, "run_job", die)
    name, other = add_job(database), add_job(database)
    one_job.run_one(tmp_path, note, name, 0, 60.0, threading.Event())
    row = job_row(database, name)
    assert (row.state, row.fence, row.attempts) == ("queued", 2, 1)
    assert "SIGKILL" in list_events(database, name, 1, None)[0][0].message
    assert job_row(database, other).fence == 0


def test_a_cancelled_job_ends_its_ray_job(running: Running, database: Database) -> None:
    cancel_job(database, job_row(database, running.job).project, running.job)
    running.thread.join(5)
    assert not running.thread.is_alive() and job_row(database, running.job).state == "cancelled"


def test_a_ray_job_that_is_stopped_gives_its_job_back_without_a_failure(running: Running, database: Database) -> None:
    running.stopped.set()
    running.thread.join(10)
    row = job_row(database, running.job)
    assert (row.state, row.attempts, row.owner) == ("queued", 0, None)
