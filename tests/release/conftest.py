from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.release.made_runs import DATE, TRAINED, keep_few, made_run
from whet.model.base import NANO
from whet.observer import Silent
from whet.release import golden_of_run
from whet.release.golden_of_run import golden_of
from whet.release.golden_prompts import conversations
from whet.store.run import Run
from whet.training import session


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run with an adapter and its golden answers. Nobody writes into it but exports."""
    run = made_run(tmp_path_factory.mktemp("release"), adapter={"kind": "lora", "rank": 4})
    keep_few(run)
    return run


@pytest.fixture
def own(sound: Run, tmp_path: Path) -> Run:
    """A copy of it without its exports, to be broken."""
    shutil.copytree(sound.folder, tmp_path / "runs" / sound.name, ignore=shutil.ignore_patterns("release"))
    return Run(tmp_path / "runs" / sound.name)


@pytest.fixture(scope="session")
def dated(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of another day than today, over a base in a folder whose template writes the date. Nobody writes into it
    but exports."""
    folder = tmp_path_factory.mktemp("dated")
    base = shutil.copytree(NANO, folder / "private" / "our-base")
    template = base / "chat_template.jinja"
    template.write_text(DATE + template.read_text("utf-8"), "utf-8")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(session, "clock_of", lambda run: TRAINED)
        patched.setattr(golden_of_run, "conversations", lambda *asked: conversations(*asked)[6:9])
        run = made_run(folder, adapter={"kind": "lora", "rank": 4}, base=str(base))
        golden_of(run, Silent())
    return run
