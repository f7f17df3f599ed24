"""Several answers a row: the two parts of the variance against simulation and a closed form, and a whole run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from whet import api
from whet.errors import InputError, RecipeError
from whet.evaluation.metrics.scoring import RowScore
from whet.evaluation.sampling_noise import repeat_each, row_means, sampling_noise, summary, variance_components
from whet.recipe.load import load_recipe
from whet.recipe.schema import Evaluate
from whet.types import Row


def test_the_parts_are_those_of_a_one_way_analysis_of_variance() -> None:
    random = np.random.default_rng(0)
    change = random.normal(0, 1, (30, 1)) + random.normal(0, 0.5, (30, 4))
    within = ((change - change.mean(1, keepdims=True)) ** 2).sum() / (30 * 3)
    between = 4 * ((change.mean(1) - change.mean()) ** 2).sum() / 29
    rows, drawn = variance_components(change, None)
    assert drawn == pytest.approx(within / 120)
    assert rows == pytest.approx((between - within) / 4 / 30)


def test_the_parts_add_up_to_the_variance_that_repeated_evaluations_have() -> None:
    random = np.random.default_rng(1)
    found, means = [], []
    for _ in range(3000):
        change = random.normal(0.1, 0.3, (20, 1)) + random.normal(0, 0.6, (20, 3))
        found.append(variance_components(change, None))
        means.append(change.mean())
    assert np.mean([drawn for _, drawn in found]) == pytest.approx(0.36 / 60, rel=0.03)
    assert np.mean([rows + drawn for rows, drawn in found]) == pytest.approx(np.var(means), rel=0.06)


def test_rows_of_one_conversation_count_once() -> None:
    random = np.random.default_rng(2)
    clusters = [row // 5 for row in range(60)]
    change = random.normal(0, 1, 12)[clusters][:, None] + random.normal(0, 0.1, (60, 2))
    assert variance_components(change, clusters)[0] > 3 * variance_components(change, None)[0]


def test_answers_of_one_row_are_no_new_rows() -> None:
    rows = [Row(n, f"r:{n}", [{"role": "assistant", "content": "yes"}], label="yes") for n in range(10)]
    scores = [RowScore(float(n % 2), {"expected": "yes", "given": "yes" if n % 2 else "no"}) for n in range(40)]
    found = summary("accuracy", scores, rows, samples=4)
    assert found["rows"] == 10 and found["score"] == 0.5 and found["labels"]["yes"]["rows"] == 40
    assert [score.value for score in row_means(scores, 4)] == [0.5] * 10
    assert repeat_each("ab", 2) == ["a", "a", "b", "b"]


def test_one_answer_a_row_cannot_tell_its_own_luck() -> None:
    found = sampling_noise({}, Evaluate(temperature=0.7), None)
    assert "error" not in found and "evaluate.samples: 4" in found["statement"]


def test_the_same_answers_every_time_have_no_luck() -> None:
    scores = {"base": [RowScore(0.0)] * 20, "tuned": [RowScore(float(n // 4)) for n in range(20)]}
    found = sampling_noise(scores, Evaluate(temperature=0.7, samples=2), None)
    assert found["sampling_share"] == 0 and "more rows would" in found["statement"]


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ({"evaluate": {"samples": 4}}, "temperature above 0"),
        ({"evaluate": {"temperature": 1.0}, "method": "dpo"}, "dpo"),
        ({"evaluate": {"temperature": 1.0, "metric": "nll"}}, "probabilities"),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_the_recipe(keys: dict[str, object], word: str) -> None:
    with pytest.raises(RecipeError, match=word):
        load_recipe({"data": "rows.jsonl", **keys})


def test_pairs_are_not_drawn_and_that_is_said_before_training(tmp_path: Path) -> None:
    rows = [{"prompt": f"Say {n}.", "chosen": f"well {n}", "rejected": "no"} for n in range(40)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputError, match="evaluate.temperature"):
        api.tune(tmp_path / "pairs.jsonl", run_root=tmp_path / "runs", **{"evaluate.temperature": "0.5"})


def test_a_run_splits_its_noise_and_says_so_in_the_report(tmp_path: Path) -> None:
    rows = [{"prompt": f"Say a word for {n}.", "completion": f"word {n % 7}"} for n in range(80)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    keys = {"steps": 20, "split.near_duplicates": "false", "split.test": 16, "evaluate.forgetting": "false"}
    drawn = {"evaluate.temperature": 1.0, "evaluate.samples": 3}
    result = api.tune(tmp_path / "rows.jsonl", run_root=tmp_path / "runs", **keys, **drawn)
    found = result["sampling"]
    assert found["samples"] == 3 and 0 < found["sampling_share"] <= 1 and result["difference"]["rows"] == 16
    assert found["row_error"] <= found["error"]
    assert found["statement"] in re.sub("<[^>]+>", "", Path(result["report"]).read_text("utf-8"))
    lines = (Path(result["report"]).parent / "answers.jsonl").read_text("utf-8").splitlines()
    assert len(lines) == 16 and any(json.loads(line)["tuned_score"] in (1 / 3, 2 / 3) for line in lines)
