"""`whet check` is quick on many rows, and needs little more memory for more of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.shown import doctor_speed


def test_a_short_run_measures_time_and_memory(tmp_path: Path) -> None:
    found = doctor_speed.run(tmp_path, 300)
    assert found["rows"] == 300 and 0 < found["cpu_seconds"] and 1e8 < found["peak_bytes"] < 4e9


@pytest.mark.slow
def test_many_rows_are_checked_within_the_goal(tmp_path: Path) -> None:
    found = doctor_speed.run(tmp_path)
    assert found["seconds"] < 90, found
    assert found["peak_bytes"] < 2e9, found
