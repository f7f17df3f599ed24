"""Answers of a version that was tried in the dark were told to nobody: no workload counts them."""

from __future__ import annotations

from dataclasses import replace

import pytest

import whet
from tests.workloads.made_logs import log_of
from whet.errors import InputError


def test_an_answer_that_nobody_was_told_is_no_request() -> None:
    told = log_of(["red", "blue", "green"])
    shadows = [replace(trace, id=f"shadow-{trace.id}", shadow_of=trace.id) for trace in told]
    (workload,) = whet.flywheel([*told, *shadows], workloads=True)["workloads"]
    assert workload["requests"] == 3
    with pytest.raises(InputError, match="no requests to look at") as refused:
        whet.flywheel(shadows, workloads=True)
    assert refused.value.where == "LOGS"
