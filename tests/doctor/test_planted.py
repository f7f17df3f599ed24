"""Every check finds what is planted, on the rows where it is planted, and names next to no clean row."""

from __future__ import annotations

import os
import re
from pathlib import Path
from random import Random

import pytest

from bench.planted import labelled
from bench.planted.__main__ import BEGIN, END, PAGE, SEEDS, summed
from bench.planted.clean import clean_rows
from bench.planted.measure import FALSE_ALARMS, RECALL, checked, measure
from bench.planted.plants import all_plants
from bench.planted.text import PLANTS
from whet import api
from whet.doctor.check_registry import by_code

OF_PARTS = ("contamination", "split-group", "test-leak", "test-power", "uncovered")
"""What they name depends on the split: planted in tests/doctor/test_parts.py, where the parts are known."""
OPINIONS = ("label-noise",)
"""No comparison of texts decides: measured on real rows in tests/doctor/test_label_noise.py."""


def test_every_check_has_a_planting_function() -> None:
    assert set(all_plants()) >= set(by_code()) - set(OF_PARTS)
    assert set(all_plants()) <= set(by_code()), "defects are planted for checks that are not there"


def test_a_planting_function_says_which_rows_it_changed() -> None:
    for code, plant in PLANTS.items():
        clean, (rows, bad) = clean_rows(Random(3), 200), plant(Random(4), clean_rows(Random(3), 200))
        if code == "mixed-formats":
            continue  # all other rows become JSON, so that those that stay prose are the bad ones
        same = {n for n, (one, other) in enumerate(zip(clean, rows, strict=True)) if one == other}
        assert bad and not bad & same, f"{code}: rows are said to be bad and are as they were"
        if code != "mixed-dates":  # whose clean rows get a date, too
            assert same | bad == set(range(200)), f"{code}: other rows were changed, too"


@pytest.mark.parametrize("code", list(PLANTS))
def test_what_is_planted_is_found_and_clean_rows_are_left_alone(code: str) -> None:
    [measured] = measure({code: PLANTS[code]}, 300, seed=11)
    assert measured.recall >= RECALL and measured.false_alarms <= FALSE_ALARMS, measured


@pytest.mark.parametrize("code", ["conflicting-answers", "duplicate", "label-noise", "near-duplicate"])
def test_a_message_names_rows_by_file_and_line(code: str) -> None:
    rows, bad = all_plants()[code](Random(5), clean_rows(Random(6), 300))
    findings = checked(rows, [code])
    assert findings and bad
    for finding in findings:
        lines = [int(line) for line in re.findall(r"rows\.jsonl:(\d+)", finding["message"])]
        assert lines and not re.search(r"\brow \d", finding["message"]), finding["message"]
        assert any(line - 1 in finding["rows"] for line in lines), "lines count from 1, `rows` from 0"


def test_personal_data_and_secrets_are_told_from_what_looks_alike() -> None:
    for kind, numbers in labelled.run(200, seed=1).items():
        assert numbers["recall"] >= RECALL and numbers["precision"] >= 0.93, (kind, numbers)


@pytest.mark.slow
def test_every_check_holds_its_goals_on_many_rows() -> None:
    for measured in summed([measure(all_plants(), 900, seed) for seed in range(20, 20 + SEEDS)]):
        assert measured.recall >= RECALL or measured.code in OPINIONS, measured
        assert measured.false_alarms <= FALSE_ALARMS, measured


def test_the_page_shows_what_was_measured_of_every_check() -> None:
    table = PAGE.read_text("utf-8").partition(BEGIN)[2].partition(END)[0]
    missing = [code for code in all_plants() if f"| `{code}`" not in table]
    assert not missing, f"{missing} are not in the table; run: python -m bench.planted"


@pytest.mark.parametrize(
    ("file", "most"),
    [
        ("gsm8k/test.jsonl", {"control-characters": 2}),
        ("raschka/instruction-data.json", {"truncated": 4, "language": 1}),
    ],
)
def test_real_rows_that_people_looked_at_have_few_findings(file: str, most: dict[str, int], tmp_path: Path) -> None:
    """What is named there was looked at by hand: a zero-width space, four lists without a last sign, Japanese words."""
    folder = Path(os.environ.get("WHET_DATA", Path(__file__).parents[3] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data is not here: {folder} (set WHET_DATA)")
    findings = api.check(folder / file, run_root=tmp_path, only=list(PLANTS))["findings"]
    counts = {finding["code"]: finding["count"] for finding in findings}
    assert all(counts[code] <= most.get(code, 0) for code in counts), findings
