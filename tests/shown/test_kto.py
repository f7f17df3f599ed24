"""KTO on nano: thumbs alone, three up to one down, make nearly all drawn answers short and polite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.shown import kto, manners


def test_the_marks_are_those_of_the_rule() -> None:
    rows = manners.marked(400, seed=5, good=0.75)
    assert all(manners.polite(row["completion"]) == row["label"] for row in rows)
    assert 0.7 < sum(row["label"] for row in rows) / 400 < 0.8


def test_a_short_run_begins_at_the_base_and_moves_the_right_way(tmp_path: Path) -> None:
    small: dict[str, Any] = {"start_rows": 60, "start_steps": 2, "rows": 100, "prompts": 4, "steps": 6}
    found = kto.run(tmp_path, **small, **{"evaluate.against": ["base"]})
    assert found["curves"]["kl"][0][1] == 0.0
    assert found["weights"]["undesirable_weight"] > found["weights"]["desirable_weight"] == 1.0
    assert found["curves"]["reward_good"][-1][1] > found["curves"]["reward_bad"][-1][1]


@pytest.mark.slow
def test_nearly_all_answers_are_polite_and_no_skill_is_lost(tmp_path: Path) -> None:
    found = kto.run(tmp_path)
    assert 0.35 < found["base_polite"] < 0.65
    assert found["tuned_polite"] >= 0.85, found  # seen: 0.89
    assert abs(found["tuned_skills"] - found["base_skills"]) <= 0.05, found
