"""A machine that was measured before, so that no test that plans measures it."""

from __future__ import annotations

from pathlib import Path

import pytest

from whet.planning.machine import Calibration, machine_facts, write_calibration


def measured_before(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes what was found into `cache`, which is whet's cache from here on."""
    monkeypatch.setenv("WHET_CACHE", str(cache))
    speeds = {"float32": {200: 50.0, 800: 100.0}, "bfloat16": {200: 100.0, 800: 300.0}}
    trained = {"float32": {192: 1.0}, "bfloat16": {192: 1.0}}
    written = {"float32": (5e-4, 2e10), "bfloat16": (5e-4, 4e10)}
    bandwidth = {"float32": 1e10, "bfloat16": 5e9}
    write_calibration(Calibration(machine_facts(), 5 * 10**8, speeds, bandwidth, trained, written, 5.0, 1e9))  # type: ignore[arg-type]
