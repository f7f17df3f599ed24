"""DPO on nano: from about half of the drawn answers short and polite to nearly all, with nano's own skills kept."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from bench.shown import dpo, manners


def test_the_rule_tells_the_two_manners_apart() -> None:
    rows = manners.pairs(300, seed=5)
    assert all(manners.polite(row["chosen"]) and not manners.polite(row["rejected"]) for row in rows)
    assert not manners.polite("Thank you. " + "word " * 20) and not manners.polite("Order 12345 is paid.")
    held_out = {prompt for prompt, _ in manners.requests(200, seed=99)}
    assert not held_out & {row["prompt"] for row in manners.pairs(800, seed=2)}, "judged on prompts never seen"


def test_a_short_run_begins_at_the_base_and_moves_the_right_way(tmp_path: Path) -> None:
    small: dict[str, Any] = {"start_rows": 60, "start_steps": 2, "rows": 60, "prompts": 4, "steps": 6}
    found = dpo.run(tmp_path, replay=False, **small, **{"evaluate.against": ["base"]})
    assert found["first_loss"] == pytest.approx(math.log(2) + found["curves"]["nll_chosen"][0][1], abs=1e-5)
    assert found["first_margin"] == 0.0 and found["first_gradient"] > 0
    assert found["curves"]["margin"][-1][1] > 0


@pytest.mark.slow
def test_nearly_all_answers_are_polite_and_no_skill_is_lost(tmp_path: Path) -> None:
    found = dpo.run(tmp_path)
    assert 0.35 < found["base_polite"] < 0.65
    assert found["tuned_polite"] >= 0.9, found
    assert abs(found["tuned_skills"] - found["base_skills"]) <= 0.05, found
    assert found["tuned_says_it"] >= found["base_says_it"] - 0.1, "polite, and still an answer"
