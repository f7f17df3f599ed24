"""Plant a defect, let `whet check` look at the file, and count what it found and what it named in vain."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from bench.planted.clean import clean_rows
from bench.planted.form import Plant, Record
from whet import api

RECALL, FALSE_ALARMS = 0.95, 0.01
"""The goals of the checks that look at what stands in the rows."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Of one check, on rows with its defect and on the clean ones."""

    code: str
    rows: int
    planted: int
    found: int
    wrong: int
    """Rows named beside the planted ones, and rows named among as many clean ones."""
    clean: int

    @property
    def recall(self) -> float:
        return self.found / self.planted

    @property
    def false_alarms(self) -> float:
        return self.wrong / (self.rows - self.planted + self.clean)


def measure(plants: dict[str, Plant], count: int, seed: int = 0) -> list[Measured]:
    """Every check by its code, on `count` rows with its own defect and on `count` clean rows. A finding names at most
    100 rows, so that `count` may be about 900."""
    clean = clean_rows(Random(f"clean {seed}"), count)
    alarms = {code: len(rows) for code, rows in named(clean, list(plants)).items()}
    found = []
    for code, plant in plants.items():
        random = Random(f"{code} {seed}")
        rows, bad = plant(random, clean_rows(random, count))
        rows_named = named(rows, [code])[code]
        wrong = len(rows_named - bad) + alarms[code]
        found.append(Measured(code, len(rows), len(bad), len(rows_named & bad), wrong, count))
    return found


def named(rows: list[Record], codes: list[str]) -> dict[str, set[int]]:
    """The rows that each check names."""
    findings = checked(rows, codes)
    return {code: {row for f in findings if f["code"] == code for row in f["rows"]} for code in codes}


def checked(rows: list[Record], codes: list[str]) -> list[dict[str, Any]]:
    """The findings of `whet check --only CODES` about these rows. Raises AssertionError where one names not all "
    "rows."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        findings = api.check(file, run_root=Path(folder) / "runs", only=codes)["findings"]
    cut = [f["code"] for f in findings if f["count"] > len(f["rows"]) > 0]
    assert not cut, f"more rows than a finding names: {cut}; measure on fewer"
    return findings
