"""Jobs that are really trained, on nano with few rows: as a client sees them, and killed at any moment."""

from __future__ import annotations

import csv
import io
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from openai import OpenAI
from openai.types.fine_tuning import FineTuningJob

from tests.server.conftest import new_database
from tests.server.serving import Served, served
from tests.server.small_jobs import (
    QUICK,
    await_job,
    finished,
    holder_lives,
    kill_holder,
    lines,
    rows,
    run_of,
    start,
    weights_of,
)
from whet.store.atomic import sha256_file

CODE = "def grade(sample, item):\n    return float('e' in sample['output_text'])"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def service(home: Path) -> Iterator[Served]:
    with served(home, workers=1, code_graders=True) as made:
        yield made


@pytest.fixture(scope="module")
def plain(service: Served) -> FineTuningJob:
    """A supervised job that nobody disturbs."""
    epochs: Any = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 15, "batch_size": 10}}}
    job = start(service.client(), rows(), suffix="My signer", method=epochs)
    return finished(service.client(), job.id)


def test_a_supervised_job_from_upload_to_its_result(service: Served, plain: FineTuningJob) -> None:
    client = service.client()
    assert plain.status == "succeeded", plain.error
    assert plain.fine_tuned_model == f"ft:nano:default:my-signer:{plain.id[-8:]}"
    assert plain.hyperparameters.n_epochs == 15 and plain.hyperparameters.batch_size == 10
    assert plain.hyperparameters.learning_rate_multiplier == 1.0

    told = plain.to_dict()
    result: Any = told["result"]
    assert result["verdict"] in ("better", "worse", "no-difference", "undecided") and result["sentence"]
    assert result["proof"]["self_check"]["passed"] and result["against"][0]["name"] == "base"
    assert told["estimate"] is None or told["estimate"]["seconds"] > 0  # type: ignore[index]
    page = httpx.get(service.url.removesuffix("/v1") + result["report"])
    assert page.headers["content-type"].startswith("text/html") and "<!doctype html>" in page.text

    events = list(client.fine_tuning.jobs.list_events(plain.id, limit=5))[::-1]
    texts = [event.message for event in events]
    assert texts[0] == f"Created fine-tuning job: {plain.id}" and texts[-1] == "The job has successfully completed"
    assert {"Files validated, moving job to queued state", "Fine-tuning job started"} <= set(texts)
    assert {"Checkpoint created at step 3", f"New fine-tuned model created: {plain.fine_tuned_model}"} <= set(texts)
    metrics: Any = [event.data for event in events if event.type == "metrics"]
    assert [one["step"] for one in metrics] == list(range(1, len(metrics) + 1))
    assert metrics[2]["valid_loss"] is not None and metrics[0]["valid_loss"] is None
    assert any(text.startswith(f"Step 3/{len(metrics)}: training loss=") for text in texts)
    assert any(event.level == "warn" and event.message.startswith(result["verdict"]) for event in events)

    table = list(csv.DictReader(io.StringIO(client.files.content(plain.result_files[0]).text)))
    assert list(table[0])[:5] == ["step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy"]
    assert [int(row["step"]) for row in table] == [one["step"] for one in metrics]
    assert float(table[2]["valid_loss"]) == metrics[2]["valid_loss"] and table[0]["train_accuracy"] == ""
    assert client.files.retrieve(plain.result_files[0]).purpose == "fine-tune-results"
    assert plain.trained_tokens == sum(int(row["tokens"]) for row in table)


def test_each_checkpoint_can_be_opened_as_a_model(service: Served, plain: FineTuningJob) -> None:
    from whet.model.saved_model import prove_weights, read_facts

    found = service.client().fine_tuning.jobs.checkpoints.list(plain.id, limit=2)
    steps = [one.step_number for one in found]
    assert steps[-1] == 3 and steps == sorted(steps, reverse=True)
    run = service.service.settings.home / "jobs" / plain.id / "checkpoints"
    sums = set()
    for one in found:
        assert one.fine_tuned_model_checkpoint == f"{plain.fine_tuned_model}:ckpt-step-{one.step_number}"
        folder = run / f"step-{one.step_number}"
        prove_weights(read_facts(folder), folder)
        sums.add(sha256_file(folder / "adapter_model.safetensors"))
        assert one.metrics.step == one.step_number and one.metrics.valid_loss is not None
    assert len(sums) == len(steps)


def test_files_that_cannot_be_used_fail_the_job_with_the_lines(service: Served) -> None:
    client = service.client()
    few = start(client, rows(7))
    broken = start(client, [*rows(12), {"messages": [{"role": "robot", "content": "x"}]}])
    pairs = start(client, rows(12), method={"type": "dpo"})
    error = finished(client, few.id).error
    assert error is not None and (error.code, error.param) == ("invalid_n_examples", "training_file")
    assert error.message == "Training file has 7 example(s), but must have at least 10 examples"
    error = finished(client, broken.id).error
    assert error is not None and error.code == "unrecognized_role" and "line 13" in error.message
    error = finished(client, pairs.id).error
    assert error is not None and error.code == "invalid_file_format" and "pairs" in error.message

    files = {one.id: one for one in client.files.list(limit=3, purpose="fine-tune").data}
    uploaded = files[client.fine_tuning.jobs.retrieve(broken.id).training_file]
    assert uploaded.status == "error" and "line 13" in str(uploaded.status_details)
    uploaded = files[few.training_file]
    assert uploaded.status == "processed" and "must have at least 10" in str(uploaded.status_details)
    assert {finding["code"] for finding in uploaded.to_dict()["findings"]} >= {"test-power"}  # type: ignore[index, union-attr]


def test_an_estimate_before_anything_is_spent(service: Served) -> None:
    client = service.client()
    uploaded = client.files.create(file=("rows.jsonl", lines(rows())), purpose="fine-tune").id
    body = {"model": "nano", "training_file": uploaded, "seed": 1, "whet": QUICK}
    told = httpx.post(f"{service.url}/fine_tuning/jobs/estimate", json=body, timeout=120).json()
    assert told["seconds_low"] < told["seconds"] < told["seconds_high"] and told["memory_bytes"] > 1e8
    assert told["rows"] == 24 and told["rows_dropped"] == {} and "test rows" in told["can_prove"]
    assert told["hyperparameters"]["n_epochs"] >= 1 and told["fits"]
    few = client.files.create(file=("rows.jsonl", lines(rows(3))), purpose="fine-tune").id
    answer = httpx.post(f"{service.url}/fine_tuning/jobs/estimate", json=body | {"training_file": few}, timeout=120)
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "invalid_n_examples"
    assert not list((service.service.settings.home / "jobs").glob("estimate-*"))


@pytest.mark.slow
def test_a_job_that_is_killed_paused_and_moved_ends_in_the_same_weights(service: Served, plain: FineTuningJob) -> None:
    client, home = service.client(), service.service.settings.home
    loose = service.client(strict=False).fine_tuning.jobs
    assert plain.method is not None
    job = start(client, rows(), suffix="My signer", method=plain.method.to_dict())
    run = run_of(home, job.id)

    def checkpoints() -> int:
        return len(list((home / "jobs" / job.id / "checkpoints").glob("step-*")))

    await_job(lambda: checkpoints() >= 1, job.id)
    kill_holder(run)  # the worker's child
    await_job(lambda: checkpoints() >= 2, job.id)
    assert loose.pause(job.id).status == "paused"  # type: ignore[comparison-overlap]
    await_job(lambda: not holder_lives(run), job.id)
    before = checkpoints()
    time.sleep(1.0)
    assert checkpoints() == before, "a paused job goes on"
    assert loose.resume(job.id).status in ("queued", "running")

    await_job(lambda: checkpoints() > before, job.id)
    os.kill(service.service.workers.pids()[0], signal.SIGKILL)
    await_job(lambda: not holder_lives(run), job.id)  # it does not outlive its worker
    told = finished(client, job.id)

    assert told.status == "succeeded", told.error
    of_plain = run_of(home, plain.id)
    assert weights_of(run) == weights_of(of_plain)
    assert told.trained_tokens == plain.trained_tokens
    tables = [_measured(client, one) for one in (told, plain)]
    assert tables[0] == tables[1]
    steps = [event.data["step"] for event in loose.list_events(job.id, limit=100) if event.type == "metrics"]  # type: ignore[index]
    assert steps[::-1] == list(range(1, len(steps) + 1)), "a step is told twice, or not at all"
    texts = [event.message for event in loose.list_events(job.id, limit=100)]
    assert any("SIGKILL" in text for text in texts)


@pytest.mark.slow
def test_a_job_on_postgres(postgres: str, tmp_path: Path) -> None:
    with served(tmp_path, workers=1, database=new_database(postgres)) as service:
        told = finished(service.client(), start(service.client(), rows(), hyperparameters={"n_epochs": 3}).id)
        assert told.status == "succeeded", told.error
        assert service.client().fine_tuning.jobs.checkpoints.list(told.id).data


@pytest.mark.slow
def test_a_preference_job(service: Served) -> None:
    pairs = [
        {
            "input": {"messages": row["messages"][:1]},
            "preferred_output": row["messages"][1:],
            "non_preferred_output": [{"role": "assistant", "content": f"No, {number} is not for me to sign."}],
        }
        for number, row in enumerate(rows())
    ]
    method: Any = {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.3, "n_epochs": 1, "batch_size": 5}}}
    told = finished(service.client(), start(service.client(), pairs, method=method).id)
    assert told.status == "succeeded", told.error
    assert told.method is not None and told.method.dpo is not None and told.method.dpo.hyperparameters is not None
    assert told.method.dpo.hyperparameters.beta == 0.3


@pytest.mark.slow
def test_a_reinforcement_job_with_a_validation_file(service: Served) -> None:
    prompts = [{"messages": row["messages"][:1], "wanted": "signed"} for row in rows(40)]
    grader = {"type": "multi", "name": "both", "calculate_output": "0.5 * word + 0.5 * code", "graders": {
        "word": {"type": "string_check", "name": "w", "operation": "ilike", "input": "{{sample.output_text}}",
                 "reference": "{{item.wanted}}"},
        "code": {"type": "python", "name": "c", "source": CODE},
    }}  # fmt: skip
    numbers = {"batch_size": 4, "compute_multiplier": 0.25, "n_epochs": 1, "eval_interval": 3}
    method: Any = {"type": "reinforcement", "reinforcement": {"grader": grader, "hyperparameters": numbers}}
    client = service.client(strict=False)  # its type of a multi grader holds one grader
    held_out = client.files.create(file=("test.jsonl", lines(prompts[30:])), purpose="fine-tune").id
    own = {**QUICK, "max_new_tokens": 8}
    job = start(client, prompts[:30], own, method=method, validation_file=held_out)
    told = finished(client, job.id)
    assert told.status == "succeeded", told.error
    result: Any = told.to_dict()["result"]
    assert result["proof"]["ledger"]["held_out"]["test"] == 10
    table = list(csv.DictReader(io.StringIO(client.files.content(told.result_files[0]).text)))
    assert any(row["train_reward"] for row in table), table[0]


def _measured(client: OpenAI, job: FineTuningJob) -> list[dict[str, str]]:
    """The result file without what a clock says."""
    table = csv.DictReader(io.StringIO(client.files.content(job.result_files[0]).text))
    return [{key: value for key, value in row.items() if key != "seconds"} for row in table]
