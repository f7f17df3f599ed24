"""The queue, on SQLite and on Postgres, with workers in processes of their own."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

import pytest
from sqlalchemy import update

from tests.server.made_jobs import add_job, job_row
from whet.server.database.opening import Database, open_database
from whet.server.database.tables import jobs
from whet.server.jobs import queue
from whet.server.jobs.events import list_events
from whet.server.jobs.records import cancel_job, pause_job, resume_job

WORKERS, MANY = 4, 40


def claim_all(url: str, number: int, barrier: object, taken: object) -> None:
    database = open_database(url)
    barrier.wait()  # type: ignore[attr-defined]
    while (lease := queue.claim(database, f"worker-{number}")) is not None:
        taken.put((number, lease.job, lease.fence))  # type: ignore[attr-defined]
    database.close()


def test_each_job_is_claimed_once_by_many_processes(url: str) -> None:
    database = open_database(url)
    names = {add_job(database, f"project-{n % 5}") for n in range(MANY)}
    context = multiprocessing.get_context("fork")
    taken, barrier = context.Queue(), context.Barrier(WORKERS)
    processes = [context.Process(target=claim_all, args=(url, n, barrier, taken)) for n in range(WORKERS)]
    for process in processes:
        process.start()
    claims = [taken.get(timeout=60) for _ in range(MANY)]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0

    assert taken.empty()
    assert {job for _, job, _ in claims} == names
    assert {fence for _, _, fence in claims} == {1}
    database.close()


def test_the_project_with_the_fewest_at_work_goes_first(database: Database) -> None:
    many = [add_job(database, "many", created_at=float(n)) for n in range(5)]
    few = [add_job(database, "few", created_at=100.0 + n) for n in range(2)]
    order = [queue.claim(database, "w").job for _ in range(7)]  # type: ignore[union-attr]

    assert order == [many[0], few[0], many[1], few[1], many[2], many[3], many[4]]


def test_who_began_lately_waits_for_who_did_not(database: Database) -> None:
    now = time.time()
    add_job(database, "busy", state="succeeded", started_at=now - 60)
    later = add_job(database, "busy", created_at=1.0)
    first = add_job(database, "calm", created_at=2.0)
    assert [queue.claim(database, "w").job, queue.claim(database, "w").job] == [first, later]  # type: ignore[union-attr]


def test_a_lease_that_ran_out_is_taken_over_and_the_old_fence_refused(database: Database) -> None:
    name = add_job(database)
    old = queue.claim(database, "old")
    assert old is not None and queue.claim(database, "new") is None

    _let_run_out(database, name)
    new = queue.claim(database, "new")
    assert new is not None and new.job == name and new.fence == old.fence + 1
    with pytest.raises(queue.LeaseLost):
        queue.renew(database, old)
    with pytest.raises(queue.LeaseLost), queue.held_by(database, old):
        pytest.fail("an old fence may write nothing")
    queue.renew(database, new)
    assert "goes on from its checkpoint" in list_events(database, name, 1, None)[0][0].message


def test_what_is_written_under_a_lease_is_undone_where_it_fails(database: Database) -> None:
    add_job(database)
    lease = queue.claim(database, "w")
    assert lease is not None
    with pytest.raises(ZeroDivisionError), queue.held_by(database, lease) as (connection, row):
        connection.execute(update(jobs).where(jobs.c.id == row.id).values(phase="half"))
        raise ZeroDivisionError
    assert job_row(database, lease.job).phase is None


def test_a_job_that_takes_its_workers_with_it_fails(database: Database) -> None:
    name = add_job(database)
    for _ in range(queue.MOST_ATTEMPTS):
        lease = queue.claim(database, "w")
        assert lease is not None
        queue.release(database, lease, "SIGKILL")

    row = job_row(database, name)
    assert row.state == "failed" and row.error["code"] == "worker_lost"
    assert f"{queue.MOST_ATTEMPTS} workers were lost" in row.error["message"] and "SIGKILL" in row.error["message"]
    assert queue.claim(database, "w") is None


def test_workers_that_are_not_heard_of_count_too(database: Database) -> None:
    name = add_job(database, attempts=queue.MOST_ATTEMPTS, state="running", lease_until=1.0, started_at=1.0)
    other = add_job(database)
    lease = queue.claim(database, "w")
    assert lease is not None and lease.job == other
    assert job_row(database, name).state == "failed"


def test_a_job_that_gets_further_has_its_attempts_counted_anew(database: Database) -> None:
    name = add_job(database)
    for step in range(1, 3 * queue.MOST_ATTEMPTS):
        lease = queue.claim(database, "w")
        assert lease is not None
        with queue.held_by(database, lease) as (connection, row):
            queue.note_progress(connection, row, step)
        queue.release(database, lease, "SIGKILL")
    assert job_row(database, name).state == "queued"


def test_a_worker_that_is_stopped_gives_its_job_back_without_a_failure(database: Database) -> None:
    name = add_job(database)
    for _ in range(2 * queue.MOST_ATTEMPTS):
        lease = queue.claim(database, "w")
        assert lease is not None
        queue.release(database, lease)
    row = job_row(database, name)
    assert (row.state, row.attempts, row.owner) == ("queued", 0, None)


@pytest.mark.parametrize("ended", [cancel_job, pause_job])
def test_what_a_client_stops_is_not_the_workers_any_more(database: Database, ended: object) -> None:
    name = add_job(database)
    lease = queue.claim(database, "w")
    assert lease is not None
    ended(database, lease.project, name)  # type: ignore[operator]
    with pytest.raises(queue.LeaseLost):
        queue.renew(database, lease)
    assert queue.claim(database, "w") is None

    if ended is pause_job:
        resume_job(database, lease.project, name)
        again = queue.claim(database, "w")
        assert again is not None and again.job == name


def test_a_claim_without_work_writes_nothing(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'one.sqlite'}")
    with database.write():  # nobody else could write now
        assert queue.claim(database, "w") is None
    database.close()


def _let_run_out(database: Database, name: str) -> None:
    with database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == name).values(lease_until=1.0))
