"""A named model that tells three kinds of tickets apart, tuned once for all tests here."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from filelock import FileLock

import whet
from tests.retraining.tickets import tickets, written
from tests.runs_of_methods import DONE, shared_folder
from whet.store.model_registry import find_run

SETTINGS: dict[str, Any] = {
    "steps": 16,
    "learning_rate": 3e-3,
    "dtype": "float32",
    "keep": False,
    "evaluate.against": ["base"],
    "evaluate.forgetting": False,
    "evaluate.every": 8,
    "split.test": 0.2,
}


@pytest.fixture(scope="session")
def first_version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the data and its runs; nobody writes into it."""
    home = shared_folder(tmp_path_factory) / "first-version"
    with FileLock(f"{home}.lock"):
        if not (home / DONE).exists():
            home.mkdir(exist_ok=True)
            data = written(home / "tickets.jsonl", tickets(120, seed=0))
            result = whet.tune(str(data), run_root=home / "runs", **SETTINGS)
            assert result["tuned"]["score"] > 0.9, "the tickets are too hard for these few steps"
            (home / DONE).touch()
    return home


@pytest.fixture
def home(first_version: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, and the working folder; the run reads the copy of its data."""
    copied = Path(copytree(first_version, tmp_path / "home"))
    monkeypatch.chdir(copied)
    run = find_run("tickets", copied / "runs")
    run.follow_data(run.requested.model_copy(update={"data": str(copied / "tickets.jsonl")}))
    return copied
