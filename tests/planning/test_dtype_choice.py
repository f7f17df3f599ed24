"""Which dtype is faster is measured once, so that the same seed gives the same run also while something disturbs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from whet.model import precision
from whet.model.precision import choose_dtype
from whet.planning import dtype_choice

PROCESSOR = torch.device("cpu")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHET_CACHE", str(tmp_path / "cache"))


def measured(monkeypatch: pytest.MonkeyPatch, single: float, half: float) -> None:
    times = {torch.float32: single, torch.bfloat16: half}
    monkeypatch.setattr(precision, "_milliseconds", lambda dtype, size, hopeless=0.0: times[dtype])


@pytest.mark.parametrize(("half", "wanted"), [(1.0, torch.bfloat16), (1.7, torch.float32)])
def test_the_first_measurement_is_kept(half: float, wanted: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    measured(monkeypatch, 2.0, half)
    first = choose_dtype("auto", 192, PROCESSOR)
    assert first == (wanted, f"measured: 2.00 ms in float32, {half:.2f} ms in bfloat16 for a 2048 x 192 product")
    measured(monkeypatch, 2.0, 2.7 - half)  # disturbed: the other one would be chosen
    assert choose_dtype("auto", 192, PROCESSOR) == first
    assert choose_dtype("auto", 576, PROCESSOR)[0] != wanted, "another size is measured for itself"
    assert choose_dtype("auto", 192, PROCESSOR) == first, "and takes nothing from what is known"


def test_another_machine_measures_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    measured(monkeypatch, 2.0, 1.0)
    choose_dtype("auto", 192, PROCESSOR)
    monkeypatch.setattr(dtype_choice, "machine_facts", lambda: {"cpu": "another"})
    measured(monkeypatch, 2.0, 2.0)
    assert choose_dtype("auto", 192, PROCESSOR)[0] == torch.float32


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"machine": null, "sizes": 3}', "\x00"])
def test_a_damaged_file_is_measured_anew(content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    measured(monkeypatch, 2.0, 1.0)
    file = dtype_choice.choice_file()
    file.parent.mkdir(parents=True)
    file.write_text(content, "utf-8")
    assert choose_dtype("auto", 192, PROCESSOR)[0] == torch.bfloat16
    assert dtype_choice.known_choice(192) is not None


def test_where_nothing_can_be_kept_it_is_measured_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("WHET_CACHE", str(tmp_path / "file"))
    measured(monkeypatch, 2.0, 1.0)
    assert choose_dtype("auto", 192, PROCESSOR)[0] == torch.bfloat16


def test_of_two_that_measure_at_once_the_first_one_wins() -> None:
    assert dtype_choice.keep_choice(192, "bfloat16", "first") == ("bfloat16", "first")
    assert dtype_choice.keep_choice(192, "float32", "second") == ("bfloat16", "first")
