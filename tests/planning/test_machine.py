"""Amounts of memory as people write them, GPUs by name, and a calibration that belongs to one machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from whet.errors import InputError
from whet.planning import machine
from whet.planning.machine import (
    Calibration,
    available_memory,
    gpu_memory,
    machine_facts,
    parse_memory,
    read_calibration,
    write_calibration,
)
from whet.planning.memory import Setting
from whet.planning.public_models import PUBLIC
from whet.planning.time import operations, rate, step_seconds

MEASURED = Calibration(
    machine_facts(),
    process=5 * 10**8,
    products={"float32": {200: 50.0, 800: 100.0}, "bfloat16": {200: 100.0, 800: 300.0}},
    bandwidth={"float32": 1e10, "bfloat16": 5e9},
    training={"float32": {192: 1.5, 576: 1.2}, "bfloat16": {192: 2.0, 576: 1.5}},
    writing={"float32": (5e-4, 2e10), "bfloat16": (5e-4, 4e10)},
    start=5.0,
    disk=1e9,
)


@pytest.mark.parametrize(
    ("text", "size"), [("24GB", 24 * 10**9), ("80 GiB", 80 * 2**30), ("0.5gb", 5 * 10**8), ("512MB", 512 * 10**6)]
)
def test_memory_is_read_as_people_write_it(text: str, size: int) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "24", "GB", "-1GB", "0GB", "24 bananas", "1e9GB"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="no amount of memory"):
        parse_memory(text)


def test_a_gpu_is_known_by_name() -> None:
    assert gpu_memory("RTX 4090") == 24 * 10**9
    with pytest.raises(InputError, match="did you mean 'rtx-4090'"):
        gpu_memory("rtx-4091")


def test_this_machine_has_memory() -> None:
    assert (available_memory() or 0) > 10**8


def test_a_calibration_is_read_back_on_the_same_machine_only(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "calibration.json"
    assert read_calibration(file) is None
    write_calibration(MEASURED, file)
    assert read_calibration(file) == MEASURED
    write_calibration(replace(MEASURED, machine={**MEASURED.machine, "cpu": "another"}), file)
    assert read_calibration(file) is None
    file.write_text("[]", "utf-8")
    assert read_calibration(file) is None


def test_speed_between_measured_sizes_lies_between_them() -> None:
    assert rate(MEASURED, "float32", 100) == 50 and rate(MEASURED, "float32", 5000) == 100
    assert rate(MEASURED, "float32", 400) == pytest.approx(75)


def test_full_training_takes_six_operations_a_weight_and_token() -> None:
    """Kaplan et al. 2020, section 2.1, for rows so short that attention hardly counts; a head is computed twice."""
    shape = PUBLIC["smollm2-135m"].shape
    assert operations(shape, Setting(64, 1)) == pytest.approx(6 * shape.passed + 2 * shape.table, rel=0.001)


def test_time_grows_with_tokens_and_with_what_is_trained() -> None:
    shape = PUBLIC["smollm2-135m"].shape
    full, lora = Setting(1024, 256), Setting(1024, 256, rank=8)
    one, two = (step_seconds(shape, lora, tokens, MEASURED) for tokens in (1024, 2048))
    assert one < two < 2 * one and one < step_seconds(shape, full, 1024, MEASURED)


def test_gpus_without_units_for_bfloat16_are_known() -> None:
    """NVIDIA's Turing and Volta (compute capability 7.5 and 7.0); every other one of the list is Ampere or later."""
    without = [name for name in machine.GPUS if not machine.gpu_computes_bfloat16(name)]
    assert without == ["t4", "v100-16gb", "v100-32gb"]
    assert not machine.gpu_computes_bfloat16("T4") and machine.gpu_computes_bfloat16("A100 80GB")
