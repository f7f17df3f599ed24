"""A goal is reached only by the bad end of an interval, and what cannot be shown is told before the training."""

from __future__ import annotations

from typing import Any

import pytest
from statsmodels.stats.proportion import proportion_confint

from whet.errors import DataError, InputError, RecipeError
from whet.evaluation import decision
from whet.evaluation.goal import format_provable, measure_goal, provable, refuse_unreachable
from whet.recipe.load import load_recipe
from whet.recipe.sections.goal import Goal
from whet.stats.paired import mean_interval
from whet.types import Row


def rows(labels: list[str]) -> list[Row]:
    return [Row(n, f"t:{n}", label=label) for n, label in enumerate(labels)]


def judged(goal: Goal, scores: list[float], labels: list[str] | None = None, **more: Any) -> dict[str, Any]:
    low, high = mean_interval(scores)
    tuned = {"score": sum(scores) / len(scores), "low": low, "high": high}
    return measure_goal(goal, tuned, "accuracy", scores, rows(labels or ["a"] * len(scores)), **more)


@pytest.mark.parametrize(
    ("right", "word"),
    [(200, "reached"), (191, "reached"), (186, "undecided"), (180, "undecided"), (172, "undecided"), (160, "missed")],
)
def test_the_bad_end_of_the_interval_decides(right: int, word: str) -> None:
    found = judged(Goal(at_least=0.9), [1.0] * right + [0.0] * (200 - right))
    low, high = proportion_confint(right, 200, method="wilson")
    assert found["word"] == word == ("reached" if low >= 0.9 else "missed" if high < 0.9 else "undecided")
    assert "at least 90.0% was asked" in found["sentence"]


def test_a_rare_class_that_is_lost_misses_the_goal_whatever_the_whole_score() -> None:
    """85% ham: always answering ham is right in 85%, and finds no spam."""
    labels = ["ham"] * 85 + ["spam"] * 15
    scores = [float(label == "ham") for label in labels]
    found = judged(Goal(at_least=0.7, class_at_least={"Spam": 0.8}), scores, labels)
    assert found["word"] == "missed" and "rows of Spam that were found: 0.0%" in found["sentence"]
    assert [part["word"] for part in found["parts"]] == ["reached", "missed"]
    facts = {"verdict": {"word": "better", "goal": found}, "forgetting": {"word": "kept"}}
    assert decision.decide(facts)["answer"] == "no" and "misses the goal" in decision.decide(facts)["sentence"]


def test_time_and_tokens_are_bounded_from_above() -> None:
    goal = Goal(seconds_per_answer=0.5, prompt_tokens=200)
    quick = judged(goal, [1.0] * 20, seconds=[0.1, 0.12, 0.11, 0.1, 0.1, 0.12, 0.11, 0.1], prompt_tokens=[50, 60] * 10)
    assert quick["word"] == "reached"
    slow = judged(goal, [1.0] * 20, seconds=[0.9, 1.0, 0.95, 0.9, 0.9, 1.0, 1.1, 0.9], prompt_tokens=[50, 60] * 10)
    assert slow["word"] == "missed" and "seconds for an answer" in slow["sentence"]


def test_what_the_rows_can_show_is_told_before() -> None:
    labels = ["ham"] * 30 + ["spam"] * 4
    whole, spam = provable(Goal(at_least=0.9, class_at_least={"spam": 0.8}), rows(labels))
    assert not whole["provable"] and whole["rows_needed"] == 35  # 34 of 34 right: 0.898 to 1
    assert proportion_confint(34, 34, method="wilson")[0] < 0.9 <= proportion_confint(35, 35, method="wilson")[0]
    assert not spam["provable"] and spam["rows"] == 4
    (many,) = provable(Goal(at_least=0.9), rows(["a"] * 200))
    assert many["least"] == 189 / 200 and proportion_confint(188, 200, method="wilson")[0] < 0.9
    assert proportion_confint(189, 200, method="wilson")[0] >= 0.9
    assert "cannot be shown on 4 test rows" in format_provable([whole, spam])[1]


def test_a_class_that_no_row_has_is_refused_before_the_training() -> None:
    with pytest.raises(DataError, match="did you mean 'spam'"):
        refuse_unreachable(Goal(class_at_least={"spma": 0.8}), "accuracy", rows(["ham", "spam"]))
    with pytest.raises(InputError, match="measured by rouge-l"):
        refuse_unreachable(Goal(class_at_least={"spam": 0.8}), "rouge-l", rows(["ham", "spam"]))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"goal": {}}, "a goal asks for something"),
        ({"goal": {"at_least": 90}}, "set goal.at_least: 0.9"),
        ({"goal": {"at_least": 1.0}}, "between 0 and 1"),
        ({"goal": {"atleast": 0.9}}, "at_least"),
        ({"goal": {"class_at_least": {"spam": 80}}}, "goal"),
        ({"goal": {"at_least": 0.9, "metric": "acuracy"}}, "accuracy"),
        ({"goal": {"at_least": 0.9, "metric": "json"}, "evaluate": {"metric": "accuracy"}}, "which is accuracy"),
        ({"goal": {"metric": "accuracy", "prompt_tokens": 9}}, "nothing is asked of it"),
        ({"goal": {"at_least": 0.9}, "method": {"kind": "pretrain"}}, "no answers"),
        ({"goal": {"prompt_tokens": 9}, "method": {"kind": "classify"}}, "writes no answers"),
    ],
)
def test_a_goal_that_cannot_be_meant_is_refused(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe({"data": "t.jsonl", **keys})
    assert said in str(caught.value)


def test_the_metric_of_the_goal_is_the_one_that_is_measured() -> None:
    recipe = load_recipe({"data": "t.jsonl", "goal": {"at_least": 0.9, "metric": "accuracy"}})
    assert recipe.evaluate.metric == "accuracy"
