"""One studio for all tests that only look: nano, and a folder of runs with a verdict and a named model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.web.studio import Studio, runs_with_desk, studio


@pytest.fixture(scope="session")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """Runs "tuned" (with its verdict; desk@1, which is live) and "sft" (trained, and not measured). Change nothing."""
    runs = runs_with_desk(tmp_path_factory, "tuned", "it stands in a test")
    with studio(tmp_path_factory.mktemp("studio"), runs=runs) as opened:
        yield opened
