"""A classifier learns several rules at once, and tells 77 intents apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.shown import classify
from bench.shown.moderation import BROKEN, comments


def test_comments_break_none_one_or_several_rules() -> None:
    rows = comments(500, seed=0)
    counts = [len(row["label"]) for row in rows]  # type: ignore[arg-type]
    assert set(counts) == {0, 1, 2} and {rule for row in rows for rule in row["label"]} == set(BROKEN)  # type: ignore
    assert rows == comments(500, seed=0) != comments(500, seed=1)


def test_a_small_one_is_better_than_naming_nothing(tmp_path: Path) -> None:
    found = classify.run(tmp_path, rows=400, steps=90)
    assert found["verdict"] == "better" and found["base_kind"] == "majority", found


@pytest.mark.slow
def test_broken_rules_are_found(tmp_path: Path) -> None:
    found = classify.run(tmp_path)
    assert found["macro_f1"] >= 0.85 and found["verdict"] == "better", found
    assert found["chosen_on"]["part"] == "validation"


@pytest.mark.slow
def test_banking77_is_told_apart(tmp_path: Path, data_dir: Path) -> None:
    found = classify.run_banking(tmp_path, data_dir / classify.BANKING)
    assert found["accuracy"] >= 0.6 and found["macro_f1"] >= 0.55 and found["verdict"] == "better", found
