"""Constants where nothing is written: lengths for pairs and marks, frequencies of tokens for likelihoods."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from whet.data.batches.forest import build_batch
from whet.evaluation.opponents.constant_rules import mark_rule, pair_rule, token_counts, unigram
from whet.types import Row, Segment


def pair(chosen: str, rejected: str, number: int = 0) -> Row:
    asked = {"role": "user", "content": "q"}
    both = [[asked, {"role": "assistant", "content": text}] for text in (chosen, rejected)]
    return Row(number, "row", both[0], rejected=both[1])


def test_pairs_whose_better_answer_is_longer_are_won_by_length_alone() -> None:
    trained = [pair("a longer answer", "short"), pair("again longer", "no"), pair("x", "yes")]
    one = pair_rule(trained, [pair("long long", "s"), pair("s", "long long"), pair("ab", "cd")])
    assert one.scores == [1.0, 0.0, 0.5] and "longer" in one.label and "66.7% of 3 training pairs" in one.detail
    assert pair_rule([pair("s", "long")], [pair("s", "long")]).label == "always preferring the shorter answer"


def marked(text: str, good: bool) -> Row:
    return Row(0, "row", [{"role": "user", "content": "q"}, {"role": "assistant", "content": text}], desirable=good)


def test_saying_one_mark_of_all_answers_scores_half() -> None:
    rng = random.Random(0)
    rows = [marked("x" * 5, rng.random() < 0.8) for _ in range(50)]
    assert np.mean(mark_rule(rows, rows).scores) == pytest.approx(0.5)


def test_marks_that_follow_length_are_won_by_length() -> None:
    rows = [marked("x" * n, n < 20) for n in range(40)]
    one = mark_rule(rows, rows)
    assert "shorter" in one.label and np.mean(one.scores) > 0.95


def test_the_unigram_is_that_of_the_training_tokens() -> None:
    trained = [Segment([1, 2, 2, 3], [0.0, 1.0, 1.0, 1.0], 0), Segment([9, 2], [0.0, 1.0], 1)]
    counts = token_counts(trained, 10)
    assert counts.tolist() == [0, 0, 3, 1, 0, 0, 0, 0, 0, 0]
    batch = build_batch([Segment([5, 2, 7], [0.0, 1.0, 1.0], 4)])
    (score,) = unigram(counts, [batch], [4]).scores
    assert score == pytest.approx(math.sqrt(4 / 14 * 1 / 14))
