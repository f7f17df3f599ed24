"""The win rate: counts by hand, and a whole run whose rule likes the tuned answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scipy.stats import binomtest

from whet import api
from whet.errors import InputError
from whet.evaluate.wins import win_rate


def test_a_tie_counts_half_and_decides_nothing() -> None:
    found = win_rate([0, 0, 1, 1, 0.3], [1, 1, 1, 0, 0.1 + 0.2], "exact", seed=0)
    assert (found["wins"], found["ties"], found["losses"]) == (2, 2, 1), "0.1 + 0.2 is 0.3"
    assert found["rate"] == pytest.approx(0.6) and found["low"] < 0.6 < found["high"]
    assert found["p"] == pytest.approx(binomtest(2, 3).pvalue)
    assert found["scores"] == {"base": pytest.approx(0.46), "tuned": pytest.approx(0.66)}


def test_where_nothing_is_decided_nothing_is_claimed() -> None:
    found = win_rate([1.0, 1.0], [1.0, 1.0], "exact", seed=0)
    assert found["rate"] == 0.5 and found["p"] == 1.0
    assert "2 ties" in found["statement"]


def test_a_run_reports_how_often_its_rule_likes_the_tuned_answer_more(tmp_path: Path) -> None:
    rows = [{"prompt": f"Say the word for {n}.", "completion": "thanks"} for n in range(60)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = f"""
data: {tmp_path / "rows.jsonl"}
steps: 30
split: {{near_duplicates: false, test: 20}}
evaluate: {{forgetting: false, wins: {{kind: regex, pattern: "^thanks$"}}}}
"""
    (tmp_path / "recipe.yaml").write_text(recipe)
    result = api.tune(tmp_path / "recipe.yaml", run_root=tmp_path / "runs")
    wins = result["wins"]
    assert wins["wins"] + wins["ties"] + wins["losses"] == 20
    assert wins["rate"] > 0.9 and wins["by"] == "regex" and wins["p"] < 0.001
    assert wins["statement"] in Path(result["report"]).read_text("utf-8").replace("&#39;", "'")


def test_a_rule_that_cannot_be_used_is_told_before_the_data_is_read(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text('data: nowhere.jsonl\nevaluate: {wins: {kind: function, function: "rules.py:score"}}\n')
    with pytest.raises(InputError, match="rules.py"):
        api.tune(recipe, run_root=tmp_path / "runs")
