"""A job that goes on from a tuned model: its weights, its parent, and what its verdict is held against."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from tests import runs_of_methods
from tests.server.inference.small_classifier import make_classifier
from tests.server.jobs.test_training import QUICK, finished, lines, rows
from tests.server.serving import Served, served
from whet.model.base import load_base
from whet.model.saved_model import read_facts
from whet.server.access.keys import project_of
from whet.server.database.tuned_models import add_model
from whet.server.jobs.children.names import model_name
from whet.store.atomic import sha256_file
from whet.store.run import Run

BEGUN, MOOD = "ft:nano:default:desk:abc123", "ft:nano:default:mood:abc123"
FEW: Any = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2, "batch_size": 10}}}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """With the model of a run, as of a job that succeeded, a checkpoint of it, and a classifier."""
    home = tmp_path_factory.mktemp("home")
    shared = runs_of_methods.shared_folder(tmp_path_factory)
    with served(home, workers=1) as made:
        database = made.service.database
        with database.write() as connection:
            now = database.now(connection)
            project = project_of(connection, "default", now)
            run = runs_of_methods.copy_of_run("sft", shared, home / "made")
            add_model(connection, BEGUN, project, "nano", run, now)
            add_model(connection, f"{BEGUN}:ckpt-step-3", project, "nano", run / "model", now)
            add_model(connection, MOOD, project, "nano", scoring_run(home / "made" / "mood"), now)
        yield made


def scoring_run(folder: Path) -> Path:
    """As a run of method: classify leaves it."""
    make_classifier(folder / "model", "single")
    (folder / "run.json").write_text("{}", "utf-8")
    return folder


@pytest.fixture(scope="module")
def file(service: Served) -> str:
    return service.client().files.create(file=("rows.jsonl", lines(rows())), purpose="fine-tune").id


def test_a_job_goes_on_from_a_tuned_model(service: Served, file: str) -> None:
    client, home = service.client(), service.service.settings.home
    job = client.fine_tuning.jobs.create(
        model=BEGUN, training_file=file, seed=1, suffix="again", method=FEW, extra_body={"whet": QUICK}
    )
    job = finished(client, job.id)
    assert job.status == "succeeded", job.error
    name = job.fine_tuned_model
    assert name == f"ft:nano:default:again:{job.id[-8:]}"
    parents = {model.id: model.to_dict()["parent"] for model in client.models.list()}
    assert (parents[name], parents[BEGUN]) == (BEGUN, "nano")

    (merged,) = (home / "bases").glob("*/ft-nano-default-desk-abc123/")
    prove_merged(home / "made" / "sft" / "model", merged)
    run = Run.open(next(home.glob(f"runs/*/{job.id}")))
    assert run.recipe.base == str(merged)
    facts = read_facts(run.model)
    assert facts["base_fingerprint"] == load_base(str(merged), getattr(torch, facts["dtype"])).fingerprint
    result: Any = job.to_dict()["result"]
    assert result["against"][0]["name"] == "base" and result["base"] is not None

    said = client.chat.completions.create(model=name, messages=[{"role": "user", "content": "hi"}], max_tokens=4)
    assert said.usage is not None and said.usage.completion_tokens > 0

    before = sha256_file(merged / "model.safetensors"), (merged / "model.safetensors").stat().st_mtime_ns
    asked = {"model": BEGUN, "training_file": file}
    estimate = httpx2.post(f"{service.url}/fine_tuning/jobs/estimate", json=asked, timeout=180)
    assert estimate.status_code == 200 and estimate.json()["seconds"] > 0, estimate.text
    after = sha256_file(merged / "model.safetensors"), (merged / "model.safetensors").stat().st_mtime_ns
    assert before == after, "the weights are merged once"


def prove_merged(adapter: Path, merged: Path) -> None:
    """By PEFT itself, over the base in float32."""
    plain = load_base("nano", torch.float32).model.state_dict()
    own = PeftModel.from_pretrained(load_base("nano", torch.float32).model, adapter).merge_and_unload().state_dict()
    found = AutoModelForCausalLM.from_pretrained(merged, dtype=torch.float32).state_dict()
    assert own.keys() == found.keys()
    for key, wanted in own.items():
        torch.testing.assert_close(found[key], wanted, atol=1e-6, rtol=1e-5)
    assert any(not torch.equal(plain[key], own[key]) for key in own), "the adapter changed something"


@pytest.mark.parametrize(
    ("model", "code", "why"),
    [
        (f"{BEGUN}:ckpt-step-3", "unsupported_parameter", "checkpoint"),
        (MOOD, "unsupported_parameter", "writes no words"),
        ("ft:nano:default:other:abcdefgh", "model_not_found", "the bases here are nano"),
    ],
)
def test_what_cannot_be_gone_on_from_is_refused(service: Served, file: str, model: str, code: str, why: str) -> None:
    with pytest.raises(openai.BadRequestError, match=why) as refused:
        service.client().fine_tuning.jobs.create(model=model, training_file=file)
    assert (refused.value.code, refused.value.param) == (code, "model")


def test_a_name_tells_the_base_below_all_tunes() -> None:
    assert model_name("ft:nano:default:a:12345678", "Desk", "B", "ftjob-0123456789") == "ft:nano:desk:b:23456789"
