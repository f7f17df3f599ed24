"""The findings do not depend on how many processes look, and the rows of a test file are looked at, too."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from bench.planted.clean import clean_rows
from bench.planted.text import PLANTS
from whet.data.survey import survey
from whet.doctor.check_registry import all_checks
from whet.doctor.examination import CHUNK_ROWS, MANY_ROWS, examine_source
from whet.recipe.load import load_recipe
from whet.types import Finding

CODES = ("boilerplate", "contradiction", "html", "language", "missing-answer", "mojibake", "truncated")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More rows than are looked at in one process, and not a whole number of chunks."""
    random, rows = Random(5), clean_rows(Random(5), MANY_ROWS + CHUNK_ROWS + 10)
    for code in ("boilerplate", "html", "missing-answer"):
        rows, _ = PLANTS[code](random, rows)
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def found(file: Path, processes: int, **keys: str) -> tuple[list[Finding], list[int]]:
    recipe = load_recipe({"data": str(file), **keys})
    done: list[int] = []
    shape = survey(recipe.data, recipe, False).shape
    findings = examine_source(recipe, shape, all_checks(CODES), None, done.append, processes)
    return findings, done


def test_workers_find_what_one_process_finds(file: Path) -> None:
    alone, done = found(file, 1)
    assert {finding.code for finding in alone} >= {"boilerplate", "html", "missing-answer"}
    assert found(file, 3) == (alone, done)
    assert done == list(range(CHUNK_ROWS, MANY_ROWS + CHUNK_ROWS + 10, CHUNK_ROWS))


def test_rows_of_the_test_file_are_counted_on(file: Path, tmp_path: Path) -> None:
    test = tmp_path / "test.jsonl"
    rows = clean_rows(Random(6), 5)
    rows[2]["messages"][-1]["content"] = "donâ€™t."
    test.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    findings, _ = found(file, 1, test=str(test))
    [finding] = [finding for finding in findings if finding.code == "mojibake"]
    assert finding.rows == [MANY_ROWS + CHUNK_ROWS + 10 + 2] and "test.jsonl:3" in finding.message
