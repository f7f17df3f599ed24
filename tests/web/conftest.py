"""One studio for all tests that only look: nano, and a folder of runs with a verdict and a named model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import whet
from tests import runs_of_methods
from tests.runs_of_methods import shared_folder
from tests.web.studio import Studio, studio


@pytest.fixture(scope="session")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """Runs "tuned" (with its verdict; desk@1, which is live) and "sft" (trained, and not measured). Change nothing."""
    shared, runs = shared_folder(tmp_path_factory), tmp_path_factory.mktemp("runs")
    for kind in ("tuned", "sft"):
        runs_of_methods.copy_of_run(kind, shared, runs)
    models = whet.models(runs)
    models.register("desk", "tuned")
    models.promote("desk", 1, force=True, why="it stands in a test")
    with studio(tmp_path_factory.mktemp("studio"), runs=runs) as opened:
        yield opened
