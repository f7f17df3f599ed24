"""One thread, no network for the hub, the folder of real data, and the real base."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Of what tests start, too: processes of as many threads as cores, beside each other, mostly wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

from bench.real_base import real_base as make_real_base
from whet.errors import WhetError

torch.set_num_threads(1)


def pytest_collection_finish() -> None:
    """Every tune collects garbage. What is imported and the tests themselves, millions of objects, stay to the end: to
    look through them took most of a second each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def own_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What tests trust is not written into the settings of whoever runs them."""
    os.environ["XDG_CONFIG_HOME"] = str(tmp_path_factory.mktemp("settings"))


@pytest.fixture(scope="module", autouse=True)
def short_golden_answers(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every tune ends with golden answers, and some two hundred tunes are made here: where a release is not the
    subject, they are of a few tokens."""
    with pytest.MonkeyPatch.context() as patch:
        if "release" not in request.path.parts:
            patch.setattr("whet.release.golden_making.LIMIT", 6)
        yield


@pytest.fixture(scope="module")
def copy_of_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A finished run of a method, as a copy of this file's own (tests/runs_of_methods.py)."""
    from tests import runs_of_methods

    shared = runs_of_methods.shared_folder(tmp_path_factory)
    return lambda kind: runs_of_methods.copy_of_run(kind, shared, tmp_path_factory.mktemp(kind))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium. Not of the whole session: Playwright holds the event loop of the thread of the tests while it runs."""
    from tests.in_browser import started_browser

    yield from started_browser()


@pytest.fixture(scope="module")
def axe() -> Any:
    from tests.in_browser import opened_axe

    return opened_axe()


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data: WHET_DATA, or ../shared/data beside the repository."""
    folder = Path(os.environ.get("WHET_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data is not here: {folder} (set WHET_DATA)")
    return folder


@pytest.fixture(scope="session")
def real_base() -> Path:
    """A real base: the folder that WHET_BASE names, or SmolLM2-135M-Instruct, downloaded once (bench/real_base.py).
    Skips where neither can be had; where CI is set that is a failure."""
    named = os.environ.get("WHET_BASE")
    if named and not (Path(named) / "config.json").is_file():
        pytest.fail(f"WHET_BASE names no folder of a base: {named}")
    try:
        return Path(named) if named else make_real_base()
    except WhetError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(f"the real base is not here: {error}")
