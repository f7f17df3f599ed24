"""The win rate: counts by hand, and a whole run whose rule likes the tuned answers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from scipy.stats import binom, binomtest

from tests.evaluation.made_up_contest import made_up_contest
from whet import api
from whet.errors import InputError
from whet.evaluation import contest as contests
from whet.evaluation import heldout
from whet.evaluation.judges.win_rate import answers_where_missing, measure_wins, win_rate
from whet.evaluation.metrics import scoring as metric
from whet.recipe.schema import Evaluate, Recipe
from whet.rewards.combine import Component, Rewards
from whet.store.reading import read_lines
from whet.types import Row


def test_a_tie_counts_half_and_decides_nothing() -> None:
    found = win_rate([0, 0, 1, 1, 0.3], [1, 1, 1, 0, 0.1 + 0.2], "exact", seed=0)
    assert (found["wins"], found["ties"], found["losses"]) == (2, 2, 1), "0.1 + 0.2 is 0.3"
    assert found["rate"] == pytest.approx(0.6) and found["low"] < 0.6 < found["high"]
    assert found["p"] == pytest.approx(binomtest(2, 3).pvalue - binom.pmf(2, 3, 0.5))
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
    won = result["wins"]
    assert won["wins"] + won["ties"] + won["losses"] == 20
    assert won["rate"] > 0.9 and won["by"] == "regex" and won["p"] < 0.001
    page = re.sub("<[^>]+>", "", Path(result["report"]).read_text("utf-8"))
    assert won["statement"] in page.replace("&#39;", "'")


def test_a_rule_that_cannot_be_used_is_told_before_the_data_is_read(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text('data: nowhere.jsonl\nevaluate: {wins: {kind: function, function: "rules.py:score"}}\n')
    with pytest.raises(InputError, match="rules.py"):
        api.tune(recipe, run_root=tmp_path / "runs")


def test_the_words_that_were_scored_are_the_words_that_win(tmp_path: Path) -> None:
    """Drawn answers stay what they are: text, score and win belong to one answer, and nothing is written twice."""
    rows = [{"prompt": f"Say yes or no to {n}.", "completion": "yes" if n % 2 else "no"} for n in range(60)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings: dict[str, Any] = {
        "steps": 2, "split.near_duplicates": False, "split.test": 12, "evaluate.forgetting": False,
        "evaluate.metric": "exact-match", "evaluate.temperature": 5, "evaluate.max_new_tokens": 2,
        "evaluate.wins": "{kind: exact}", "evaluate.against": "[base]",
    }  # fmt: skip
    asked: list[int] = []
    with pytest.MonkeyPatch.context() as patched:
        real = heldout.generate
        patched.setattr(heldout, "generate", lambda *a, **k: asked.append(len(a[2])) or real(*a, **k))
        result = api.tune(tmp_path / "rows.jsonl", run_root=tmp_path / "runs", **settings)
    assert asked == [12, 12, 24, 24], "the test rows once for each model, and then the golden prompts"
    lines = read_lines(tmp_path / "runs" / result["run"] / "answers.jsonl")
    for line in lines:
        said = [*line["prompt"], {"role": "assistant", "content": line["reference"]}]
        row = Row(line["row"], line["where"], messages=said)
        for side in ("base", "tuned"):
            assert metric.score("exact-match", line[side].strip(), row).value == line[f"{side}_score"]
    assert result["wins"]["wins"] == sum(line["tuned_score"] > line["base_score"] for line in lines)


def test_lines_are_matched_with_their_rows_where_some_rows_have_none() -> None:
    rows = [Row(n, f"row {n}", messages=[{"role": "user", "content": "?"}]) for n in range(3)]
    lines = [{"row": n, "base": "no", "tuned": f"right {n}"} for n in (0, 2)]

    def judge(prompts: Any, answers: list[str], asked: list[Row]) -> list[float]:
        return [float(answer == f"right {row.index}") for answer, row in zip(answers, asked, strict=True)]

    found = measure_wins(lines, rows, Rewards([Component("rule", 1.0, cast(Any, judge))]), 0)
    assert (found["wins"], found["losses"]) == (2, 0)


def test_where_probabilities_were_compared_the_answers_are_greedy(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [Row(n, f"row {n}", messages=[{"role": "user", "content": "?"}]) for n in (4, 7)]

    def ask(side: Any, *rest: Any) -> list[Any]:
        return [SimpleNamespace(text=f" {side.name} {n} ") for n in range(2)]

    monkeypatch.setattr(contests, "generate_answers", ask)
    renderer = SimpleNamespace(prompt_ids=lambda prompt, tools: [])
    lines: list[dict[str, Any]] = [{"row": 4, "base": "", "tuned": ""}, {"row": 7, "base": "", "tuned": ""}]
    recipe = Recipe(data="d", evaluate=Evaluate(max_new_tokens=4))
    found = answers_where_missing(lines, made_up_contest(recipe, rows, renderer))
    assert [line["tuned"] for line in found] == ["tuned 0", "tuned 1"] and found[1]["base"] == "base 1"
