"""What a user's files and programs rely on is as it was written down: keys, names of runs, refusals, statistics."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.golden import compare
from tests.golden.expected import FOLDER, RENEW, facts
from tests.golden.make import working_folder
from tests.golden.places import PLACES, find
from tests.golden.stillness import ENVIRONMENT

FEW = 12


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of the golden recipes, in a terminal of their width."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.chdir(Path.cwd())  # so that it is put back
    return working_folder(tmp_path / "work")


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.json")))
def test_what_is_written_down_is_still_so(name: str, folder: Path) -> None:
    before = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    after = json.loads(json.dumps(facts(folder)[name]()))
    apart = [f"{name}, {key}: {said}" for key, said in compare.unequal(before, after, "")]
    shown = "\n  ".join([*apart[:FEW], f"and {len(apart) - FEW} more"] if len(apart) > FEW else apart)
    assert not apart, f"{len(apart)} facts changed\n  {shown}\n{RENEW}"


def test_every_fact_is_written_down(folder: Path) -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(facts(folder)), RENEW
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 300_000, "keep it small: it is read in reviews"


@pytest.mark.parametrize("name", PLACES)
def test_everything_is_found_where_the_table_says(name: str) -> None:
    assert find(name) is not None


def test_a_difference_is_told_by_file_key_before_and_after(tmp_path: Path) -> None:
    one = {"a": {"loss": 1.0, "page": "one\ntwo\n"}, "b": [1, 2]}
    other = {"a": {"page": "one\nTWO\n", "loss": 1.5}, "b": [1]}
    for name, side in (("before", one), ("after", other)):
        (tmp_path / name / "runs").mkdir(parents=True)
        (tmp_path / name / "runs" / "sft.json").write_text(json.dumps(side))
        (tmp_path / name / "machine.json").write_text("{}")
    (tmp_path / "before" / "gone.json").write_text("1")
    before, after = tmp_path / "before", tmp_path / "after"
    assert compare.differences(before, before) == []
    assert compare.differences(before, after) == [
        f"gone.json: only in {before}",
        f"runs{os.sep}sft.json, a.loss: 1.0 -> 1.5",
        f'runs{os.sep}sft.json, a.page, line 2 (first of 1): "two" -> "TWO"',
        f"runs{os.sep}sft.json, a: the order of keys is another: ['loss', 'page'] -> ['page', 'loss']",
        f"runs{os.sep}sft.json, b: [1, 2] -> [1]",
    ]
    assert compare.main(before, before) == 0 and compare.main(before, after) == 1
