"""Forgetting is a question of noninferiority, whatever the tokenizer, with a paired interval and a budget."""

from __future__ import annotations

import math

import numpy as np
import pytest

from whet.errors import DataError, NonFiniteError
from whet.evaluation.forgetting import measure_kinds as forgetting
from whet.evaluation.forgetting.budget import HELD_COST, Measure, judge, score_budget, summarise
from whet.stats.paired import paired_difference


def model(nats_per_byte: float, wobble: float = 0.0) -> forgetting.Nll:
    return lambda texts: [
        (len(t.encode()) * (nats_per_byte + wobble * (i % 3 - 1)), len(t) // 4) for i, t in enumerate(texts)
    ]


def a_measure(low: float, high: float, budget: float | None, what: str = "The suite") -> Measure:
    return Measure("suite", what, "points", 0.8, 0.7, (low + high) / 2, low, high, 100, budget, "a convention")


def test_a_model_that_is_its_base_to_the_last_bit_lost_nothing() -> None:
    found = forgetting.text_measure(model(0.9, wobble=0.3), model(0.9, wobble=0.3))
    assert (found.loss, found.low, found.high, found.word) == (0.0, 0.0, 0.0, "kept")
    nearly = forgetting.text_measure(model(0.9, wobble=0.3), model(0.9 + 1e-7, wobble=0.3))
    assert nearly.high > 0


def test_the_general_texts_are_many_short_and_of_many_kinds() -> None:
    """Many, because each counts as one unit of the interval; short, because all are read on both sides of every run."""
    texts, others = forgetting.general_texts(), forgetting.choosing_texts()
    assert len(texts) >= 90 and len(others) >= 20 and not set(texts) & set(others)
    assert all(text == text.strip() and 60 < len(text) < 700 for text in [*texts, *others])
    assert 30_000 < sum(map(len, texts)) < 45_000
    assert sum("\n" in text for text in texts) >= 10, "code, lists and letters have lines"
    assert any("def " in text for text in texts) and any("\u4e00" <= letter <= "\u9fff" for letter in "".join(texts))


def test_the_numbers_are_per_byte_whatever_the_tokenizer() -> None:
    found = forgetting.text_measure(model(0.9), model(1.0), texts=["a\u00e9", "bcd e"])
    assert (found.base, found.tuned, found.loss) == pytest.approx((0.9, 1.0, 1 / 9))


@pytest.mark.parametrize(
    ("rise", "word"), [(0.0, "kept"), (0.005, "kept"), (0.045, "unclear"), (0.07, "lost"), (-0.1, "kept")]
)
def test_only_an_interval_below_the_budget_clears_the_tune(rise: float, word: str) -> None:
    found = forgetting.text_measure(model(0.9), model(0.9 + rise, wobble=0.012))
    assert found.word == word
    assert "budget is +5.0%, about what" in found.statement and "95% interval" in found.statement


def test_a_budget_of_the_recipe_wins() -> None:
    assert forgetting.text_measure(model(0.9), model(0.95, 0.012), budget=0.1).word == "kept"
    assert score_budget(0.2, 10) == (0.2, "asked for in the recipe")


def test_one_text_can_not_clear_a_tune() -> None:
    assert forgetting.text_measure(model(0.9), model(0.9), texts=["one short text"]).word == "unclear"


@pytest.mark.parametrize(
    ("low", "high", "budget", "word"),
    [
        (-0.01, 0.02, 0.02, "kept"),
        (-0.01, 0.021, 0.02, "unclear"),
        (0.02, 0.03, 0.02, "unclear"),
        (0.021, 0.03, 0.02, "lost"),
        (0.5, 0.6, None, "not judged"),
    ],
)
def test_the_bad_end_of_the_interval_decides(low: float, high: float, budget: float | None, word: str) -> None:
    assert judge(low, high, budget) == word == a_measure(low, high, budget).word


def test_a_loss_at_the_budget_is_cleared_at_most_once_in_forty() -> None:
    """Simulated at the edge: one row in ten is lost and one in twenty gained, so the true fall is the budget itself,
    and every "kept" is wrong."""
    random, rows, rounds = np.random.default_rng(3), 400, 600
    wrong = 0
    for _ in range(rounds):
        drawn = random.random(rows)
        base = (drawn >= 0.05).astype(float)
        tuned = ((drawn < 0.05) | (drawn >= 0.15)).astype(float)
        difference = paired_difference(base, tuned)
        wrong += forgetting.score_measure("suite", "The suite", (0.95, 0.9), difference, 0.05).word == "kept"
    assert 0 < wrong / rounds <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / rounds)


@pytest.mark.parametrize("rows", [72, 240, 1000])
def test_the_default_budget_clears_what_held_tunes_cost_and_nothing_worse(rows: int) -> None:
    """A fall of 4 points of which the rows see an eighth differ is cleared, one of 12 points never."""
    budget, reason = score_budget(None, rows)
    assert str(rows) in reason and HELD_COST < budget <= 0.14

    def word(fall: float, differ: float) -> str:
        lost, won = round(rows * (differ + fall) / 2), round(rows * (differ - fall) / 2)
        base = np.array([1.0] * lost + [0.0] * won + [1.0] * (rows - lost - won))
        tuned = np.array([0.0] * lost + [1.0] * won + [1.0] * (rows - lost - won))
        found = paired_difference(base, tuned)
        return forgetting.score_measure("suite", "The suite", (base.mean(), tuned.mean()), found, None).word

    assert word(0.04, 0.12) == "kept" or rows == 72
    assert word(0.12, 0.14) != "kept" and word(0.34, 0.4) == "lost"


def test_a_distance_is_a_mean_over_tokens_and_its_interval_holds_it() -> None:
    pairs = [(1.0 + n % 5, 10 + n % 3) for n in range(60)]
    found = forgetting.kl_measure("task", pairs, budget=None)
    assert found.loss == pytest.approx(sum(nats for nats, _ in pairs) / sum(count for _, count in pairs))
    assert found.low < found.loss < found.high and found.word == "not judged"
    assert forgetting.kl_measure("task", pairs, budget=1.0).word == "kept"
    assert forgetting.kl_measure("task", pairs, budget=0.1).word == "lost"
    assert forgetting.kl_measure("task", [(0.0, 4)] * 9, budget=0.1).high == 0.0


def test_one_broken_measure_breaks_the_whole_and_is_named() -> None:
    kept, unclear = a_measure(0, 0.01, 0.02), a_measure(0, 0.03, 0.02, "The suite 'b'")
    lost = a_measure(0.1, 0.2, 0.02, "The suite 'c'")
    assert summarise([kept])["word"] == "kept"
    assert summarise([kept, unclear])["unclear"] == ["The suite 'b'"]
    whole = summarise([kept, unclear, lost])
    assert (whole["word"], whole["broken"]) == ("lost", ["The suite 'c'"])
    assert all(measure["statement"] in whole["statement"] for measure in whole["measures"])


def test_nonsense_is_refused() -> None:
    with pytest.raises(DataError):
        forgetting.text_measure(model(1), model(1), texts=[])
    with pytest.raises(DataError):
        forgetting.text_measure(model(1), model(1), texts=["a", ""])
    with pytest.raises(DataError, match="tuned"):
        forgetting.text_measure(model(1), lambda texts: [(1.0, 1)])
    with pytest.raises(NonFiniteError, match="base"):
        forgetting.text_measure(model(float("nan")), model(1))
    with pytest.raises(NonFiniteError):
        forgetting.kl_measure("task", [(float("inf"), 3)] * 30, None)
    with pytest.raises(DataError):
        forgetting.kl_measure("task", [], None)
