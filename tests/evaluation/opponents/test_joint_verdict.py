"""One word over all opponents: better only where each is beaten, the strongest named, and in at most 5% of nulls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whet.evaluation.opponents.joint_verdict import add_opponents, strongest, verdict_of
from whet.evaluation.opponents.opponent import Held, Opponent, hold
from whet.evaluation.opponents.opposition import base_opponent, judge_opponents
from whet.evaluation.verdict import compare

NAMES = ("base", "constant", "prompted", "examples")
LABELS = {"base": "the base as it is", "constant": 'always answering "ham"', "prompted": "the base with a prompt",
          "examples": "the base with three examples"}  # fmt: skip


def opponent(name: str, scores: Sequence[float], places: list[int] | None = None, **more: Any) -> Opponent:
    places = list(range(len(scores))) if places is None else places
    return Opponent(name, LABELS[name], places, list(scores), **more)  # type: ignore[arg-type]


def shares(rows: int, right: int) -> list[float]:
    """So many right, the first ones."""
    return [1.0] * right + [0.0] * (rows - right)


def held(tuned: Sequence[float], **scores: Sequence[float]) -> list[Held]:
    return [hold(opponent(name, values), tuned, None, 0) for name, values in scores.items()]


def test_a_model_that_always_answers_the_majority_is_not_better() -> None:
    tuned, majority = shares(80, 68), shares(80, 68)
    found = held(tuned, base=shares(80, 3), constant=majority)
    verdict = verdict_of(found)
    assert compare(shares(80, 3), tuned)[1].word == "better"  # the old verdict
    assert verdict.word != "better" and strongest(found).opponent.name == "constant"
    assert 'always answering "ham"' in verdict.sentence.split(".")[0] + verdict.sentence
    assert verdict.sentence.endswith("Over the base as it is: +81.2 points.")


def test_the_first_sentence_names_the_strongest() -> None:
    tuned = shares(200, 182)
    found = held(tuned, base=shares(200, 20), constant=shares(200, 170))
    assert verdict_of(found).sentence.startswith('The tune is better: +6.0 points over always answering "ham" (95%')


def test_base_served_as_tuned_is_undecided_or_no_difference() -> None:
    scores = shares(120, 60)
    assert verdict_of(held(scores, base=scores, constant=shares(120, 10))).word in ("undecided", "no-difference")


def test_a_prompt_that_wins_makes_the_tune_worse() -> None:
    found = held(shares(200, 120), base=shares(200, 10), constant=shares(200, 60), prompted=shares(200, 190))
    verdict = verdict_of(found)
    assert verdict.word == "worse" and "worse than the base with a prompt" in verdict.sentence
    verdict: Any = {}
    add_opponents(verdict, found, [])
    assert verdict["strongest"] == "prompted"


def test_a_sample_of_rows_is_held_against_the_same_rows_of_the_tuned_model() -> None:
    tuned = shares(100, 50)
    places = list(range(0, 100, 2))
    one = hold(opponent("examples", [tuned[place] for place in places], places), tuned, None, 0)
    assert one.difference.rows == 50 and one.difference.estimate == 0
    other = hold(opponent("examples", [0.0] * 50, list(range(50))), tuned, None, 0)
    assert other.difference.estimate == 1.0


def test_clusters_of_a_sample_are_those_of_its_rows() -> None:
    tuned, clusters = shares(40, 30), [f"user {number // 10}" for number in range(40)]
    one = hold(opponent("prompted", [0.0] * 20, list(range(20))), tuned, clusters, 0)
    assert one.difference.clusters == 2 and one.difference.test.endswith("by clusters")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=2, max_size=4), st.integers(0, 60), st.integers(0, 1000))
def test_better_means_better_than_all(rights: list[int], right: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = {name: rng.permutation(shares(60, n)).tolist() for name, n in zip(NAMES, rights, strict=False)}
    found = held(rng.permutation(shares(60, right)).tolist(), **scores)
    verdict, facts = verdict_of(found), {}
    add_opponents(facts, found, [])  # type: ignore[arg-type]
    assert (verdict.word == "better") == all(one["better"] for one in facts["against"])
    top = next(one for one in facts["against"] if one["name"] == facts["strongest"])
    assert verdict.word == top["word"]
    left = [one for one in facts["against"] if not one["better"]]
    assert not left or top["difference"] == min(one["difference"] for one in left)


def null_share(simulations: int, rows: int = 80, spam: float = 0.15) -> float:
    """Share of shuffled labels in which a model that guesses spam now and then is called better."""
    rng = np.random.default_rng(1)
    called = 0
    for _ in range(simulations):
        truth, guess = rng.random(rows) < spam, rng.random(rows) < rng.uniform(0, 0.3)
        tuned = (truth == guess).astype(float).tolist()
        constant = (~truth).astype(float).tolist()
        asked = (truth == (rng.random(rows) < 0.5)).astype(float).tolist()
        called += verdict_of(held(tuned, base=[0.0] * rows, constant=constant, prompted=asked)).word == "better"
    return called / simulations


def test_shuffled_skewed_labels_are_no_gain() -> None:
    assert null_share(200) <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("spam", [0.5, 0.15, 1 / 3])
def test_shuffled_labels_are_no_gain_in_2000_simulations(spam: float) -> None:
    assert null_share(2000, spam=spam) <= 0.05


def test_a_warning_behind_the_old_sentence_stays_behind_the_new_one() -> None:
    base, tuned = shares(100, 20), shares(100, 90)
    _, before = compare(base, tuned)
    old = {"word": before.word, "sentence": before.sentence + " But beware.", "more": 1}
    measured: dict[str, Any] = {"verdict": old}
    judge_opponents(measured, tuned, None, [opponent("base", base), opponent("constant", shares(100, 50))], 0)
    assert measured["verdict"]["sentence"].endswith(" But beware.") and measured["verdict"]["more"] == 1
    assert [one["name"] for one in measured["verdict"]["against"]] == ["base", "constant"]
    assert set(measured["verdict"]["against"][0]) >= {
        "name", "label", "score", "interval", "difference", "difference_interval", "p", "rows", "better", "word",
        "prompt_tokens", "detail",
    }  # fmt: skip


def test_the_base_keeps_its_lines() -> None:
    lines = [{"base": "a", "base_score": 0.5}, {"base": "b", "base_score": 1.0}]
    assert base_opponent(lines, 12.0).scores == [0.5, 1.0]
