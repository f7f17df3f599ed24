"""Jobs on a real Ray cluster, as a client sees them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from openai.types.fine_tuning import FineTuningJob

from tests.server.jobs.cluster.own_ray import OwnRay, own_ray
from tests.server.serving import Served, served
from tests.server.small_jobs import finished, rows, start, weights_of, run_of, await_job
from whet.server.jobs.cluster.ray_cluster import RayCluster

EPOCHS: Any = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 15, "batch_size": 10}}}


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
    return finished(service.client(), start(service.client(), rows(), method=EPOCHS).id)


def test_a_job_is_trained_by_ray_from_upload_to_chat(service: Served, ray: OwnRay, plain: FineTuningJob) -> None:
    assert plain.status == "succeeded", plain.error
    print([e.message for e in service.client().fine_tuning.jobs.list_events(plain.id, limit=100)])
    print(RayCluster(ray.dashboard).submissions())
