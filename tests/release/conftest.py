from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.release.made_runs import keep_few, made_run
from whet.store.run import Run


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run with an adapter and its golden answers. Nobody writes into it but exports."""
    run = made_run(tmp_path_factory.mktemp("release"), adapter={"kind": "lora", "rank": 4})
    keep_few(run)
    return run


@pytest.fixture
def own(sound: Run, tmp_path: Path) -> Run:
    """A copy of it, to be broken."""
    shutil.copytree(sound.folder, tmp_path / "runs" / sound.name)
    return Run(tmp_path / "runs" / sound.name)
