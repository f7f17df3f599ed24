"""Jobs on a real Ray cluster, as a client sees them."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import psutil
import pytest
from openai.types.fine_tuning import FineTuningJob
from sqlalchemy import update

from tests.server.jobs.cluster.own_ray import PROCESSORS, OwnRay, own_ray
from tests.server.serving import Served, served
from tests.server.small_jobs import QUICK, await_job, finished, holder_lives, rows, run_of, start, weights_of
from whet.errors import InputError
from whet.server.database.opening import Database
from whet.server.database.tables import jobs
from whet.server.jobs.cluster.note import NOTE
from whet.server.jobs.cluster.ray_cluster import Needs, RayCluster, SubmissionName
from whet.server.jobs.cluster.reach import refuse_cluster
from whet.server.settings import Settings

EPOCHS: Any = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 4, "batch_size": 10}}}
TRAINED_ONLY = {**QUICK, "split": {"test": 0}}
"""Of a job that is to be judged, a busy machine spends minutes on the judgement."""
LONG = 600.0
"""Seconds that a job may take on a busy machine."""


@pytest.fixture(scope="module")
def ray() -> Iterator[OwnRay]:
    with own_ray() as made:
        yield made


@pytest.fixture(scope="module")
def service(ray: OwnRay, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("home"), ray=ray.dashboard) as made:
        yield made


@pytest.fixture(scope="module")
def plain(service: Served) -> FineTuningJob:
    """A job that nobody disturbs."""
    return finished(service.client(), start(service.client(), rows(), TRAINED_ONLY, method=EPOCHS).id, LONG)


def test_a_cluster_that_reaches_home_and_database_is_taken_and_another_is_told_why_not(
    ray: OwnRay, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from ray.job_submission import JobSubmissionClient  # not before own_ray has set how its clients show who they are

    cluster = RayCluster(ray.dashboard)
    (node,) = cluster.nodes()
    assert (node.cpus, node.gpus) == (PROCESSORS, 0) and node.memory > 1e8

    settings = Settings(tmp_path, ray=ray.dashboard)
    refuse_cluster(settings)
    assert not caplog.messages, "the trial ran, and well"
    assert cluster.submissions() == [], "a trial is no job"
    (trial,) = JobSubmissionClient(ray.dashboard).list_jobs()
    assert trial.runtime_env == {"env_vars": {"OMP_NUM_THREADS": "1"}} and not trial.metadata
    assert "sqlite" not in trial.entrypoint, "where the database is stands in the note alone"

    class OtherHome(RayCluster):
        """Whose machines do not share the home folder."""

        def submit(self, name: str, command: str, needs: Needs) -> None:
            super().submit(name, command.replace(str(tmp_path), str(tmp_path / "unshared")), needs)

    with pytest.raises(InputError, match=f"{NOTE}: this machine does not see the home folder of the service"):
        refuse_cluster(settings, OtherHome(ray.dashboard))


@pytest.mark.slow
def test_a_job_is_trained_by_ray_and_its_model_answers(service: Served, ray: OwnRay, plain: FineTuningJob) -> None:
    assert plain.status == "succeeded", plain.error
    cluster = RayCluster(ray.dashboard)
    assert [one.name for one in cluster.submissions()] == [SubmissionName(plain.id, 0, 1)]
    await_job(lambda: cluster.submissions()[0].over, plain.id)

    client = service.client()
    texts = [event.message for event in client.fine_tuning.jobs.list_events(plain.id, limit=100)]
    assert {"Fine-tuning job started", "Checkpoint created at step 3", "The job has successfully completed"} <= {*texts}
    assert client.fine_tuning.jobs.checkpoints.list(plain.id).data
    told: Any = plain.to_dict()["result"]
    assert told["proof"]["self_check"]["passed"] and told["proof"]["weights_sha256"]
    said = client.chat.completions.create(model=plain.fine_tuned_model or "", messages=rows()[0]["messages"][:1])
    assert said.choices[0].message.content


@pytest.mark.slow
def test_a_ray_job_that_is_killed_is_submitted_again_and_ends_in_the_same_weights(
    service: Served, ray: OwnRay, plain: FineTuningJob
) -> None:
    client, home = service.client(), service.service.settings.home
    job = start(client, rows(), TRAINED_ONLY, method=EPOCHS)
    run = run_of(home, job.id, LONG)
    checkpoints = home / "jobs" / job.id / "checkpoints"
    await_job(lambda: len(list(checkpoints.glob("step-*"))) > 1, job.id, LONG)

    _worker_of(job.id).send_signal(signal.SIGKILL)
    await_job(lambda: not holder_lives(run), job.id)  # it does not outlive its worker
    _let_run_out(service.service.database, job.id)
    told = finished(client, job.id, LONG)

    assert told.status == "succeeded", told.error
    assert weights_of(run) == weights_of(run_of(home, plain.id))
    texts = [event.message for event in client.fine_tuning.jobs.list_events(job.id, limit=100)]
    assert "Its worker is gone; the job goes on from its checkpoint" in texts
    tries = [one.name for one in RayCluster(ray.dashboard).submissions() if one.name.job == job.id]
    assert sorted(name.fence for name in tries) == [0, 2]


@pytest.mark.slow
def test_a_job_in_ray_ends_within_seconds_where_it_is_paused_or_cancelled(service: Served) -> None:
    client, home = service.client(strict=False), service.service.settings.home
    job = start(client, rows(), TRAINED_ONLY, method=EPOCHS)
    run = run_of(home, job.id, LONG)
    await_job(lambda: (run / "run.lock").exists() and holder_lives(run), job.id, LONG)

    assert client.fine_tuning.jobs.pause(job.id).status == "paused"  # type: ignore[comparison-overlap]
    _ends_in_time(run, job.id)
    client.fine_tuning.jobs.resume(job.id)
    await_job(lambda: holder_lives(run), job.id, LONG)
    assert client.fine_tuning.jobs.cancel(job.id).status == "cancelled"
    _ends_in_time(run, job.id)


@pytest.mark.slow
def test_a_job_waits_for_a_cluster_that_is_gone_and_the_service_says_so(service: Served, ray: OwnRay) -> None:
    ready = service.url.removesuffix("/v1") + "/ready"
    assert httpx.get(ready).json() == {"status": "ready"}
    ray.kill()
    client = service.client()
    job = start(client, rows(), TRAINED_ONLY, method=EPOCHS)

    def texts() -> list[str]:
        return [event.message for event in client.fine_tuning.jobs.list_events(job.id, limit=100)]

    await_job(lambda: "The job waits: the Ray cluster does not answer" in texts(), job.id, LONG)
    assert client.fine_tuning.jobs.retrieve(job.id).status == "queued"
    answer = httpx.get(ready)
    assert answer.status_code == 200 and answer.json()["jobs"] == "the Ray cluster does not answer"


def _worker_of(job: str) -> psutil.Process:
    """The process that Ray started."""
    found = [one for one in psutil.process_iter(["cmdline"]) if job in (one.info["cmdline"] or ())]
    assert len(found) == 1, found
    return found[0]


def _ends_in_time(run: Path, job: str) -> None:
    began = time.monotonic()
    await_job(lambda: not holder_lives(run), job)
    assert time.monotonic() - began < 5


def _let_run_out(database: Database, name: str) -> None:
    with database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == name).values(lease_until=1.0))
