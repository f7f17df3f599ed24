"""What is submitted, stopped and told, against a cluster that does as the test says."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from tests.server.jobs.cluster.made_cluster import HERE, MadeCluster
from tests.server.made_jobs import add_job, job_row
from whet.server.database.opening import Database, open_database
from whet.server.database.tables import jobs
from whet.server.jobs import queue
from whet.server.jobs.chores import FORECAST, add_chore, claim_chore, finish_chore
from whet.server.jobs.cluster.needs import KEPT, needs_of, places
from whet.server.jobs.cluster.note import NOTE, Note, write_note
from whet.server.jobs.cluster.ray_cluster import Needs, Node
from whet.server.jobs.cluster.submitting import ASK_SECONDS, MOST_WAITING, STALE_SECONDS, Submitter
from whet.server.jobs.events import list_events
from whet.server.jobs.places import job_folder
from whet.server.jobs.records import cancel_job, pause_job, resume_job
from whet.server.settings import Settings

SECRET = "hunter2-hunter2"
GPU = Node("10.0.0.2", 16, 4, 64 << 30)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def cluster() -> MadeCluster:
    return MadeCluster()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def submitter(tmp_path: Path, cluster: MadeCluster, clock: Clock) -> Iterator[Submitter]:
    database = open_database(f"sqlite:///{tmp_path / 'whet.sqlite'}")
    note = Note("service1", f"postgresql://whet:{SECRET}@db/whet", "0")
    yield Submitter(database, cluster, tmp_path, note, 60.0, clock)
    database.close()


def claimed(submitter: Submitter, name: str) -> queue.Lease:
    """As the Ray job does it."""
    lease = queue.claim_job(submitter.database, name, job_row(submitter.database, name).fence, "ray")
    assert lease is not None
    return lease


def texts(database: Database, name: str) -> list[str]:
    return [row.message for row in list_events(database, name, 100, None)[0]]


def test_a_waiting_job_is_submitted_once_and_stays_queued_until_it_is_claimed(
    submitter: Submitter, cluster: MadeCluster
) -> None:
    name = add_job(submitter.database)
    submitter.look()
    submitter.look()
    assert list(cluster.known) == [f"whet-{name}-0-1"]
    assert job_row(submitter.database, name).state == "queued"

    claimed(submitter, name)
    submitter.look()
    assert list(cluster.known) == [f"whet-{name}-0-1"] and not cluster.stopped
    assert job_row(submitter.database, name).state == "running"


def test_what_is_submitted_holds_no_secret_and_says_which_job(submitter: Submitter, cluster: MadeCluster) -> None:
    name = add_job(submitter.database)
    submitter.look()
    (command,) = cluster.commands.values()
    words = shlex.split(command)
    assert words[:4] == ["exec", "python", "-m", "whet.server.jobs.cluster.one_job"]
    assert words[words.index("--job") + 1] == name and words[words.index("--fence") + 1] == "0"
    assert words[words.index("--home") + 1] == str(submitter.home) and "service1" in words
    assert SECRET not in command and "postgres" not in command


def test_a_home_with_a_space_and_a_quote_is_one_word(submitter: Submitter, cluster: MadeCluster) -> None:
    submitter.home = submitter.home / "a b'; rm -rf c"
    name = add_job(submitter.database)
    job_folder(submitter.home, name).mkdir(parents=True)
    submitter.look()
    (command,) = cluster.commands.values()
    assert str(submitter.home) in shlex.split(command)


@pytest.mark.parametrize("ended", [cancel_job, pause_job])
def test_what_a_client_stops_while_it_waits_in_ray_cannot_be_claimed_and_is_stopped_there(
    submitter: Submitter, cluster: MadeCluster, clock: Clock, ended: object
) -> None:
    name = add_job(submitter.database)
    submitter.look()
    ended(submitter.database, job_row(submitter.database, name).project, name)  # type: ignore[operator]
    assert queue.claim_job(submitter.database, name, 0, "ray") is None

    submitter.look()
    assert not cluster.stopped, "its worker has time to end by itself"
    clock.now += STALE_SECONDS
    submitter.look()
    assert cluster.stopped == [f"whet-{name}-0-1"]

    if ended is pause_job:
        resume_job(submitter.database, job_row(submitter.database, name).project, name)
        submitter.look()
        assert f"whet-{name}-2-1" in cluster.known
        assert queue.claim_job(submitter.database, name, 0, "ray") is None, "what waited before the pause is void"
        assert claimed(submitter, name).fence == 3


def test_a_lease_that_ran_out_puts_the_job_back_and_it_is_submitted_anew(
    submitter: Submitter, cluster: MadeCluster
) -> None:
    name = add_job(submitter.database)
    submitter.look()
    old = claimed(submitter, name)
    with submitter.database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == name).values(lease_until=1.0))

    submitter.look()
    row = job_row(submitter.database, name)
    assert (row.state, row.fence, row.owner) == ("queued", 2, None)
    assert f"whet-{name}-2-1" in cluster.known
    assert queue.GONE in texts(submitter.database, name)
    with pytest.raises(queue.LeaseLost):
        queue.renew(submitter.database, old)


def test_a_job_whose_workers_are_lost_time_after_time_fails(submitter: Submitter, cluster: MadeCluster) -> None:
    name = add_job(submitter.database)
    for _ in range(queue.MOST_ATTEMPTS):
        submitter.look()
        claimed(submitter, name)
        with submitter.database.write() as connection:
            connection.execute(update(jobs).where(jobs.c.id == name).values(lease_until=1.0))
    submitter.look()
    row = job_row(submitter.database, name)
    assert row.state == "failed" and row.error["code"] == "worker_lost"


def test_a_submission_that_ends_without_claiming_its_job_is_made_again_after_a_pause(
    submitter: Submitter, cluster: MadeCluster, clock: Clock
) -> None:
    name = add_job(submitter.database)
    submitter.look()
    for attempt, pause in enumerate((1.0, 2.0, 4.0), start=1):
        cluster.end(f"whet-{name}-0-{attempt}", "Traceback\nNo module named whet at /opt/secret")
        submitter.look()
        clock.now += pause - 0.5
        submitter.look()
        assert f"whet-{name}-0-{attempt + 1}" not in cluster.known
        clock.now += 0.5
        submitter.look()
        assert f"whet-{name}-0-{attempt + 1}" in cluster.known

    assert job_row(submitter.database, name).state == "queued" and submitter.trouble is not None
    told = [text for text in texts(submitter.database, name) if "waits" in text]
    assert told == ["The job waits: Ray jobs end before they begin their work"], "once, and nothing of the cluster"
    claimed(submitter, name)
    submitter.look()
    assert submitter.trouble is None


def test_a_silent_cluster_is_told_once_to_each_job_that_waits_for_it(
    submitter: Submitter, cluster: MadeCluster, caplog: pytest.LogCaptureFixture
) -> None:
    first = add_job(submitter.database)
    cluster.silent = True
    submitter.look()
    second = add_job(submitter.database)
    submitter.look()
    for name in (first, second):
        assert texts(submitter.database, name) == ["The job waits: the Ray cluster does not answer"]
        assert job_row(submitter.database, name).state == "queued"
    assert submitter.trouble == "the Ray cluster does not answer"
    assert len(caplog.messages) == 1 and "connection refused" in caplog.messages[0]

    cluster.silent = False
    submitter.look()
    assert submitter.trouble is None and len(cluster.known) == 2


def test_a_cluster_that_lost_its_memory_gets_the_job_again(submitter: Submitter, cluster: MadeCluster) -> None:
    name = add_job(submitter.database)
    submitter.look()
    cluster.known.clear()  # its head was started anew
    submitter.look()
    assert list(cluster.known) == [f"whet-{name}-0-1"]


def test_few_wait_in_ray_and_by_fair_share(submitter: Submitter, cluster: MadeCluster) -> None:
    many = [add_job(submitter.database, "many", created_at=float(n)) for n in range(6)]
    few = [add_job(submitter.database, "few", created_at=100.0 + n) for n in range(2)]
    submitter.look()
    assert [one.name.job for one in cluster.known.values()] == [many[0], few[0], many[1], few[1]]
    assert len(cluster.known) == MOST_WAITING

    claimed(submitter, many[0])
    submitter.look()
    assert [one.name.job for one in cluster.known.values()][MOST_WAITING:] == [many[2]]


def test_jobs_of_another_service_on_the_cluster_are_left_alone(
    submitter: Submitter, cluster: MadeCluster, clock: Clock
) -> None:
    name = add_job(submitter.database)
    submitter.look()
    submission = cluster.known[f"whet-{name}-0-1"]
    foreign = replace(submission, name=replace(submission.name, job="ftjob-foreign"))
    cluster.known[str(foreign.name)] = foreign
    for _ in range(3):
        submitter.look()
        clock.now += STALE_SECONDS
    assert not cluster.stopped


def test_a_cluster_with_nothing_to_do_is_asked_seldom(submitter: Submitter, cluster: MadeCluster, clock: Clock) -> None:
    submitter.look()
    before = cluster.asked
    submitter.look()
    assert cluster.asked == before
    clock.now += ASK_SECONDS
    submitter.look()
    assert cluster.asked > before


def test_a_job_waits_until_its_memory_is_known_and_asks_for_it(submitter: Submitter, cluster: MadeCluster) -> None:
    database = submitter.database
    name = add_job(database)
    with database.write() as connection:
        add_chore(connection, job_row(database, name).project, FORECAST, {"job": name}, database.now(connection))
    submitter.look()
    assert not cluster.known

    chore = claim_chore(database, "w")
    assert chore is not None
    with database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == name).values(estimate={"memory_bytes": 3 << 30}))
        finish_chore(connection, chore, "w", None)
    submitter.look()
    assert list(cluster.needs.values()) == [Needs(4, 0, 3 << 30)]


def test_a_job_asks_for_the_same_each_time_it_goes_on(tmp_path: Path) -> None:
    estimate = {"memory_bytes": 1 << 30}
    first = needs_of([HERE], estimate, tmp_path)
    assert first == Needs(4, 0, 1 << 30) == Needs(**json.loads((tmp_path / KEPT).read_text()))
    assert needs_of([HERE, replace(HERE, cpus=2)], None, tmp_path) == first
    assert needs_of([replace(HERE, cpus=2)], None, tmp_path) == Needs(2), "what no node has any more is not waited for"


@pytest.mark.parametrize(
    ("nodes", "needs", "count"),
    [
        ([HERE], Needs(4, 0, 8 << 30), 1),
        ([HERE, replace(HERE, cpus=8)], Needs(4, 0, 8 << 30), 3),
        ([HERE, GPU], Needs(4, 1), 4),
        ([replace(HERE, cpus=0), HERE], Needs(4, 0, 8 << 30), 1),
        ([replace(HERE, cpus=0)], None, 0),
        ([], None, 0),
    ],
)
def test_a_job_asks_for_a_gpu_or_the_smallest_node(
    tmp_path: Path, nodes: list[Node], needs: Needs | None, count: int
) -> None:
    assert needs_of(nodes, {"memory_bytes": 100 << 30}, tmp_path) == needs
    assert places(nodes) == count


def test_a_cluster_without_processors_or_with_other_machines_over_sqlite_gets_nothing(
    submitter: Submitter, cluster: MadeCluster
) -> None:
    name = add_job(submitter.database)
    cluster.machines = [replace(HERE, cpus=0)]
    submitter.look()
    cluster.machines = [HERE, replace(HERE, host="192.0.2.77")]
    submitter.look()
    assert not cluster.known
    assert texts(submitter.database, name) == [
        "The job waits: the Ray cluster has other machines, and the database is a file of this one",
        "The job waits: the Ray cluster has no processor for jobs",
    ]


def test_the_note_is_for_its_user_alone_and_keeps_its_name(tmp_path: Path) -> None:
    settings = Settings(tmp_path, database=f"postgresql://whet:{SECRET}@db/whet", ray="http://127.0.0.1:8265")
    first = write_note(settings)
    assert (tmp_path / NOTE).stat().st_mode & 0o777 == 0o600
    assert first.database == settings.database and SECRET in (tmp_path / NOTE).read_text()
    assert write_note(settings) == first
    assert [path.name for path in tmp_path.iterdir()] == [NOTE]


def test_a_database_beside_the_command_is_found_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").mkdir()
    wanted = f"sqlite:///{tmp_path}/home/whet.sqlite"
    assert write_note(Settings(Path("home"))).database == wanted
    assert write_note(Settings(Path("home"), database="sqlite:///home/whet.sqlite")).database == wanted
