"""The last section of the report says what a repeat needs, out of the files of the run alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.reports.made_up_run import write_json, write_run
from tests.reports.test_report import Folder
from whet.errors import RunFolderError
from whet.reports.report import write_report
from whet.reports.section_list import on_page
from whet.reports.sections.making.environment import environment_view
from whet.store.environment import environment

MACHINE: dict[str, Any] = {
    "whet": "0.9.1",
    "python": "3.11.7",
    "packages": {"torch": "2.13.0+cpu", "tokenizers": "0.23.3", "numpy": "2.4.6"},
    "cpu": "AMD EPYC",
    "cores_usable": 2,
    "devices": [],
    "git": {"commit": "3e9621609e3dbecc", "changed": True},
}


def told(machine: dict[str, Any], evaluation: dict[str, Any], model: dict[str, Any]) -> dict[str, str]:
    sheet = environment_view(machine, evaluation, model)
    assert sheet is not None and all(len(row) == 3 and row[2].text for row in sheet.rows)
    return {row[0].text: row[1].text for row in sheet.rows}


def test_what_a_repeat_needs_is_told_and_nothing_else() -> None:
    assert told(MACHINE, {"threads": 2, "peak_memory_of": "cpu"}, {"dtype": "bfloat16"}) == {
        "whet": "0.9.1",
        "python": "3.11.7",
        "torch": "2.13.0+cpu",
        "tokenizers": "0.23.3",
        "dtype": "bfloat16",
        "device": "AMD EPYC, 2 cores",
        "git": "3e9621609e3d, with uncommitted changes",
        "threads": "2",
    }


def test_a_gpu_is_named_and_threads_then_do_not_count() -> None:
    found = told(MACHINE | {"devices": ["NVIDIA H200"]}, {"threads": 2, "peak_memory_of": "cuda"}, {})
    assert found["device"] == "NVIDIA H200" and "threads" not in found and "dtype" not in found


def test_this_machine_can_be_told() -> None:
    found = told(environment(), {}, {})
    assert found["torch"] == environment()["packages"]["torch"] and "core" in found["device"]


def test_it_ends_the_page_and_goes_with_its_file(tmp_path: Path) -> None:
    assert on_page()[-1].key == "environment"
    folder = write_run(tmp_path / "run", rows=20, steps=10)
    write_json(folder / "environment.json", MACHINE)
    (folder / "model").mkdir()
    write_json(folder / "model" / "whet.json", {"dtype": "bfloat16"})
    page = write_report(Folder(folder)).read_text("utf-8")
    assert page.rindex("<section") == page.index('<section id="environment"')
    assert '<li><a href="#environment">To repeat it</a></li></ul>' in page
    assert "bfloat16" in page and "AMD EPYC, 2 cores" in page
    (folder / "environment.json").unlink()
    assert 'id="environment"' not in write_report(Folder(folder)).read_text("utf-8")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", rows=20, steps=10)
    write_json(folder / "environment.json", MACHINE | {"git": "yes"})
    with pytest.raises(RunFolderError, match=r"environment\.json"):
        write_report(Folder(folder))
