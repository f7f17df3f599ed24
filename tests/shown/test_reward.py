"""A reward model learns the small world's rule; on real pairs it is measured honestly."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from bench.shown import reward
from bench.shown.world_preferences import ask, kind_of, pairs, points, write


def test_the_rule_finds_the_qualities_that_were_written() -> None:
    rng, wrong = Random(3), 0
    for _ in range(1000):
        asked = ask(rng, held_out=rng.random() < 0.5)
        qualities = [rng.random() < 0.5 for _ in range(3)]
        wrong += points(asked, write(rng, asked, *qualities)) != sum(qualities)
    assert wrong <= 5, "a value that is a word of another sentence, and nothing else"


def test_no_fact_of_the_held_out_part_is_asked_in_training() -> None:
    notes = [{pair["prompt"].split("\n\n")[0] for pair in pairs(600, 0, held_out)} for held_out in (False, True)]
    assert notes[1] and not notes[0] & notes[1]
    assert {kind_of(pair) for pair in pairs(300, 0)} == {"manner or length", "evasion", "wrong value"}
    assert pairs(5, 0) == pairs(5, 0) != pairs(5, 1)


def test_a_small_one_is_better_than_its_base(tmp_path: Path) -> None:
    found = reward.run(tmp_path, rows=700, test_rows=120, steps=60, **{"split.near_duplicates": "false"})
    assert found["accuracy"] > found["base"], found
    assert found["by_kind"]["manner or length"]["accuracy"] > 0.7


@pytest.mark.slow
def test_at_least_nine_in_ten_held_out_pairs_of_the_world_are_right(tmp_path: Path) -> None:
    found = reward.run(tmp_path)
    assert found["accuracy"] >= 0.9 and found["verdict"] == "better", found
    assert abs(found["reward_mean"]) < 2, "centred"
    assert reward.draw(reward.Run.open(tmp_path / "runs" / "world"), tmp_path / "reward.svg").is_file()


@pytest.mark.slow
def test_real_pairs_are_measured_whatever_comes_out(tmp_path: Path, data_dir: Path) -> None:
    found = reward.run_hh(tmp_path, data_dir / reward.HH)
    low, high = found["interval"]
    assert 0 < low < found["accuracy"] < high < 1 and found["pairs"] > 400
    assert found["verdict"] in ("better", "undecided", "no-difference"), found
