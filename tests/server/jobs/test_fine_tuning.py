"""/v1/fine_tuning/jobs without a worker: what is accepted, refused, told and paged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import openai
import pytest
from openai import OpenAI
from sqlalchemy import update

from tests.server.made_jobs import add_job, job_row
from tests.server.serving import Served, served
from whet.server.database.tables import jobs
from whet.server.jobs import queue
from whet.server.jobs.events import add_event
from whet.server.jobs.housekeeping import tidy
from whet.server.jobs.schedule import expected_times

GRADER = {
    "type": "string_check",
    "name": "exact",
    "operation": "eq",
    "input": "{{sample.output_text}}",
    "reference": "{{item.a}}",
}


def graded(**more: Any) -> dict[str, Any]:
    return {"method": {"type": "reinforcement", "reinforcement": {"grader": GRADER, **more}}}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("home"), aliases={"gpt-4o-mini": "nano"}, most_jobs=1000) as made:
        yield made


@pytest.fixture(scope="module")
def client(service: Served) -> OpenAI:
    return service.client()


@pytest.fixture(scope="module")
def rows(client: OpenAI) -> str:
    return client.files.create(file=("rows.jsonl", b"{}\n"), purpose="fine-tune").id


def test_a_job_is_told_back_as_it_was_asked_for(service: Served, client: OpenAI, rows: str) -> None:
    job = client.fine_tuning.jobs.create(
        model="gpt-4o-mini", training_file=rows, validation_file=rows, suffix="my Model", seed=7, metadata={"a": "b"}
    )
    assert (job.status, job.model, job.seed, job.metadata) == ("validating_files", "gpt-4o-mini", 7, {"a": "b"})
    assert job.method is not None and job.method.type == "supervised" and job.hyperparameters.n_epochs == "auto"
    assert client.fine_tuning.jobs.retrieve(job.id) == job

    told = [event.message for event in client.fine_tuning.jobs.list_events(job.id)]
    assert told == [
        f"Validating training file: {rows} and validation file: {rows}",
        f"Created fine-tuning job: {job.id}",
    ]
    folder = service.service.settings.home / "jobs" / job.id
    assert sorted(path.name for path in folder.iterdir()) == ["training.jsonl", "validation.jsonl"]

    client.files.delete(client.files.create(file=("x", b"x"), purpose="fine-tune").id)
    assert (folder / "training.jsonl").read_bytes() == b"{}\n"


def test_a_deleted_file_can_still_be_read_by_its_job_until_it_is_over(service: Served, client: OpenAI) -> None:
    rows = client.files.create(file=("rows.jsonl", b"{}\n"), purpose="fine-tune").id
    job = client.fine_tuning.jobs.create(model="nano", training_file=rows)
    linked = service.service.settings.home / "jobs" / job.id / "training.jsonl"
    client.files.delete(rows)
    assert linked.read_bytes() == b"{}\n"
    client.fine_tuning.jobs.cancel(job.id)
    inner = service.service
    tidy(inner.database, inner.contents, inner.settings.home)
    assert not linked.exists()


def test_seeds_are_made_where_none_is_given(client: OpenAI, rows: str) -> None:
    seeds = {client.fine_tuning.jobs.create(model="nano", training_file=rows).seed for _ in range(3)}
    assert len(seeds) == 3


def test_methods_and_the_old_hyperparameters(client: OpenAI, rows: str) -> None:
    make = client.fine_tuning.jobs.create
    old = make(model="nano", training_file=rows, hyperparameters={"n_epochs": 3, "batch_size": "auto"})
    assert (old.hyperparameters.n_epochs, old.hyperparameters.batch_size) == (3, "auto")

    pairs = make(model="nano", training_file=rows, method={"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.2}}})
    assert pairs.method is not None and pairs.method.dpo is not None
    assert pairs.method.dpo.hyperparameters is not None and pairs.method.dpo.hyperparameters.beta == 0.2

    graded: Any = {
        "type": "reinforcement",
        "reinforcement": {"grader": GRADER, "hyperparameters": {"eval_interval": 5}},
    }
    job = make(model="nano", training_file=rows, method=graded)
    assert job.method is not None and job.method.reinforcement is not None
    assert job.method.reinforcement.grader.to_dict() == GRADER


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "gpt-9"}, "model"),
        ({"model": "nan\0"}, "model"),
        ({"model": None}, "model"),
        ({"training_file": "file-none"}, "training_file"),
        ({"training_file": "\0"}, "training_file"),
        ({"validation_file": "file-none"}, "validation_file"),
        ({"suffix": "x" * 65}, "suffix"),
        ({"suffix": "a\0b"}, "suffix"),
        ({"suffix": " "}, "suffix"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**31}, "seed"),
        ({"metadata": {str(n): "v" for n in range(17)}}, "metadata"),
        ({"metadata": {"k": "v" * 513}}, "metadata.k"),
        ({"integrations": [{"type": "wandb", "wandb": {"project": "p"}}]}, "integrations"),
        ({"hyperparameters": {"n_epochs": 0}}, "hyperparameters"),
        ({"hyperparameters": {"n_epochs": "many"}}, "hyperparameters"),
        ({"hyperparameters": {"learning_rate": 1}}, "hyperparameters.learning_rate"),
        ({"method": {"type": "ppo"}}, "method.type"),
        ({"method": {"type": "dpo", "supervised": {}}}, "method.supervised"),
        ({"method": {"type": "supervised"}, "hyperparameters": {"n_epochs": 1}}, "hyperparameters"),
        ({"method": {"type": "reinforcement"}}, "method.reinforcement.grader"),
        (graded(grader={**GRADER, "type": "python", "source": "x"}), "method.reinforcement.grader"),
        (graded(response_format={"type": "text"}), "method.reinforcement.response_format"),
        (graded(hyperparameters={"reasoning_effort": "high"}),
         "method.reinforcement.hyperparameters.reasoning_effort"),
        (graded(hyperparameters={"eval_samples": 4}), "method.reinforcement.hyperparameters.eval_samples"),
        ({"unknown": 1}, "unknown"),
        ({"whet": {"base": "x"}}, "whet.base"),
        ({"whet": {"keep": {"replay": "/etc/passwd"}}}, "whet.keep.replay"),
        ({"whet": {"evaluate": {"metric": "/tmp/x.py:f"}}}, "whet.evaluate.metric"),
        ({"whet": {"forgetting": {"suites": ["/etc/passwd"]}}}, "whet.forgetting.suites"),
        ({"whet": {"adapter": "full"}}, "whet.adapter.kind"),
        ({"whet": {"learning_rate": -1}}, "whet"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_request_is_told_by_its_name(
    service: Served, rows: str, body: dict[str, Any], param: str
) -> None:
    sent = {key: value for key, value in {"model": "nano", "training_file": rows, **body}.items() if value is not None}
    before = set((service.service.settings.home / "jobs").iterdir())
    answer = httpx.post(f"{service.url}/fine_tuning/jobs", json=sent)
    assert answer.status_code in (400, 404), answer.text
    assert str(answer.json()["error"]["param"]).startswith(param), answer.text
    assert set((service.service.settings.home / "jobs").iterdir()) == before


def test_a_file_of_another_purpose_is_refused(client: OpenAI) -> None:
    other = client.files.create(file=("f", b"x"), purpose="user_data")
    with pytest.raises(openai.BadRequestError) as told:
        client.fine_tuning.jobs.create(model="nano", training_file=other.id)
    assert (told.value.param, told.value.code) == ("training_file", "invalid_file_purpose")


@pytest.mark.parametrize(
    "body",
    [
        *(
            b"",
            b"[]",
            b"{",
            b"\xff",
            b"null",
            b"1e999",
            b'{"\\ud800": 1}',
            b'{"model": "\\ud800", "training_file": "x"}',
        ),
        b'{"model": "nano", "training_file": "x", "whet": {"\\ud800": 1}}',
        b'{"grader": {"type": "\\ud800"}, "model_sample": ""}',
    ],
)
def test_bodies_that_are_none(service: Served, body: bytes) -> None:
    kind = {"Content-Type": "application/json"}
    for path in ("jobs", "alpha/graders/run"):
        assert httpx.post(f"{service.url}/fine_tuning/{path}", content=body, headers=kind).status_code in (400, 404)


def test_a_body_that_a_client_sends_again_is_the_job_of_the_first(service: Served, client: OpenAI, rows: str) -> None:
    def sent(count: str, **more: Any) -> str:
        body = {"model": "nano", "training_file": rows, "suffix": "again", **more}
        answer = httpx.post(f"{service.url}/fine_tuning/jobs", json=body, headers={"x-stainless-retry-count": count})
        return str(answer.json()["id"])

    first = sent("0")
    assert sent("1") == first and sent("2") == first
    assert sent("0") != first, "a body that is not said to be sent again is a job of its own"
    assert sent("1", seed=3) != first
    with service.service.database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.suffix == "again").values(created_at=1.0))
    assert sent("1") != first, "after some minutes the same body is another job"


def test_states_that_do_not_allow_it_are_told_with_400(service: Served, client: OpenAI) -> None:
    loose = service.client(strict=False).fine_tuning.jobs  # its types know no paused job
    database = service.service.database
    name = add_job(database)
    assert loose.pause(name).status == "paused"  # type: ignore[comparison-overlap]
    assert queue.claim(database, "w") is None or job_row(database, name).state == "paused"
    with pytest.raises(openai.BadRequestError) as told:
        loose.pause(name)
    assert told.value.code == "invalid_job_state"
    assert loose.resume(name).status == "queued"
    for call in (loose.resume,):
        with pytest.raises(openai.BadRequestError):
            call(name)
    assert client.fine_tuning.jobs.cancel(name).status == "cancelled"
    for call in (loose.cancel, loose.pause, loose.resume):
        with pytest.raises(openai.BadRequestError):
            call(name)
    with pytest.raises(openai.NotFoundError):
        client.fine_tuning.jobs.cancel("ftjob-none")


def test_jobs_are_listed_by_cursor_and_metadata(tmp_path: Path) -> None:
    with served(tmp_path) as service:
        client, database = service.client(), service.service.database
        names = [add_job(database, created_at=float(n), job_metadata={"n": str(n % 2)}) for n in range(1, 6)]
        bare = add_job(database, created_at=9.0)

        assert [job.id for job in client.fine_tuning.jobs.list(limit=2)] == [bare, *names[::-1]]
        assert [job.id for job in client.fine_tuning.jobs.list(limit=1, metadata={"n": "1"})] == [
            names[4],
            names[2],
            names[0],
        ]
        assert client.fine_tuning.jobs.list(metadata={"n": "7"}).data == []
        found = httpx.get(f"{service.url}/fine_tuning/jobs?metadata=null").json()
        assert [job["id"] for job in found["data"]] == [bare]
        for query in ("metadata=x", "after=none", "limit=0", "limit=101"):
            assert httpx.get(f"{service.url}/fine_tuning/jobs?{query}").status_code == 400


def test_events_page_from_the_newest_and_stream_from_the_first(service: Served, client: OpenAI) -> None:
    database = service.service.database
    name = add_job(database)
    with database.write() as connection:
        for number in range(1, 8):
            add_event(connection, name, f"event {number}", 1.0)
    told = [event.message for event in client.fine_tuning.jobs.list_events(name, limit=3)]
    assert told == [f"event {number}" for number in range(7, 0, -1)]

    with httpx.stream("GET", f"{service.url}/fine_tuning/jobs/{name}/events?stream=true", timeout=20) as stream:
        lines = stream.iter_lines()
        assert json.loads(_data(lines))["message"] == "event 1"
        client.fine_tuning.jobs.cancel(name)
        rest = []
        while (data := _data(lines)) != "[DONE]":
            rest.append(json.loads(data)["message"])
    assert rest == [*(f"event {number}" for number in range(2, 8)), "Fine-tuning job was cancelled"]

    headers = {"Accept": "text/event-stream", "Last-Event-ID": "7"}
    text = httpx.get(f"{service.url}/fine_tuning/jobs/{name}/events", headers=headers).text
    assert text.startswith("id: 8\n") and text.endswith("data: [DONE]\n\n")
    with pytest.raises(openai.BadRequestError):
        client.fine_tuning.jobs.list_events(name, after="ftevent-none")


def test_too_many_waiting_jobs_are_told_and_not_sent_again(tmp_path: Path) -> None:
    with served(tmp_path, most_jobs=2) as service:
        client = service.client()
        rows = client.files.create(file=("r", b"{}"), purpose="fine-tune").id
        for _ in range(2):
            client.fine_tuning.jobs.create(model="nano", training_file=rows)
        with pytest.raises(openai.RateLimitError) as told:
            client.fine_tuning.jobs.create(model="nano", training_file=rows)
        assert told.value.code == "too_many_jobs" and told.value.response.headers["x-should-retry"] == "false"


def test_projects_do_not_see_each_others_jobs(tmp_path: Path) -> None:
    with served(tmp_path, auth=True) as service:
        keys = [service.service.keys.create(name, name, ["train"])[1] for name in ("one", "two")]
        one, two = (service.client(key) for key in keys)
        rows = one.files.create(file=("r", b"{}"), purpose="fine-tune").id
        job = one.fine_tuning.jobs.create(model="nano", training_file=rows, metadata={"a": "b"})
        jobs_of_two = two.fine_tuning.jobs
        assert jobs_of_two.list().data == [] and jobs_of_two.list(metadata={"a": "b"}).data == []
        for call in (jobs_of_two.retrieve, jobs_of_two.cancel, jobs_of_two.pause, jobs_of_two.resume,
                     jobs_of_two.list_events, jobs_of_two.checkpoints.list):  # fmt: skip
            with pytest.raises(openai.NotFoundError):
                call(job.id)
        with pytest.raises(openai.NotFoundError):
            jobs_of_two.create(model="nano", training_file=rows)
        with pytest.raises(openai.BadRequestError):
            jobs_of_two.list(after=job.id)
        bearer = {"Authorization": f"Bearer {keys[1]}"}
        assert httpx.get(f"{service.url}/fine_tuning/jobs/{job.id}/report", headers=bearer).status_code == 404


def test_waiting_jobs_have_expected_times(service: Served) -> None:
    database = service.service.database
    with database.write() as connection:
        connection.execute(update(jobs).values(state="cancelled"))
    add_job(database, "one", state="running", started_at=1000.0, created_at=1.0, estimate={"seconds": 100.0})
    second = add_job(database, "one", created_at=2.0, estimate={"seconds": 10.0})
    first = add_job(database, "two", created_at=3.0, estimate={"seconds": 50.0})
    unknown = add_job(database, "two", created_at=4.0)
    after = add_job(database, "two", created_at=5.0, estimate={"seconds": 1.0})
    with database.read() as connection:
        found = expected_times(connection, 1, 1020.0)
    assert (found[first].start, found[first].finish) == (1100.0, 1150.0)
    assert (found[second].start, found[second].finish) == (1150.0, 1160.0)
    assert (found[unknown].start, found[unknown].finish) == (1160.0, None)
    assert found[after].start is None


def test_permissions_are_refused_clearly(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as told:
        client.fine_tuning.checkpoints.permissions.create("ft:nano:default::x:ckpt-step-1", project_ids=["p"])
    assert told.value.code == "unsupported_parameter"


def _data(lines: Iterator[str]) -> str:
    return next(line for line in lines if line.startswith("data: ")).removeprefix("data: ")
