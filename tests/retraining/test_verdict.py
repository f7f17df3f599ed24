"""One word for a next version against the live one, from scores whose truth is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from whet.evaluation.facts import ForgettingFacts
from whet.retraining.bases import AnswerCost, recommend
from whet.retraining.verdict import judge, judge_part


def part(live: list[float], candidate: list[float], **more: Any) -> dict[str, Any] | None:
    pairs = zip(live, candidate, strict=True)
    return judge_part([{"row": n, "base_score": a, "tuned_score": b, **more} for n, (a, b) in enumerate(pairs)], 0)


def lost(broken: tuple[str, ...] = (), unclear: tuple[str, ...] = ()) -> ForgettingFacts:
    word = "lost" if broken else "unclear" if unclear else "kept"
    return {"word": word, "broken": [*broken], "unclear": [*unclear], "statement": "", "measures": []}


def word(old: Any, fresh: Any, live: Any = None, base: Any = None) -> str:
    return judge({"old": old, "fresh": fresh}, live, base)[0]


GOOD, HALF = part([0.0] * 20, [1.0] * 20), [1.0, 0.0] * 30
SAME = part(HALF, HALF)


@pytest.mark.parametrize("rows", [12, 20, 60, 400])
def test_the_same_model_under_two_names_is_as_good_and_never_better(rows: int) -> None:
    for scores in ([1.0] * rows, [1.0, 0.0] * (rows // 2), [0.37] * rows):
        assert word(part(scores, scores), part(scores, scores)) == "as good", scores[:2]
    beyond = [3.5, -1.0] * (rows // 2)
    assert word(part(beyond, beyond), None) == ("as good" if rows > 20 else "cannot tell")


def test_better_on_the_fresh_part_and_not_worse_on_the_old_one_is_better() -> None:
    assert word(SAME, GOOD, lost(), lost()) == "better"
    assert word(GOOD, None, lost(), lost()) == "better"


def test_a_gain_on_the_fresh_part_that_loses_the_old_one_is_worse() -> None:
    assert word(part([1.0] * 30, [1.0] * 20 + [0.0] * 10), GOOD, lost(), lost()) == "worse"


def test_a_gain_beside_a_loss_that_nobody_can_rule_out_is_not_better() -> None:
    """3 of 30 lost and none won: the interval holds 0, and reaches below the margin."""
    old = part([1.0] * 30, [1.0] * 27 + [0.0] * 3)
    assert old and old["word"] == "undecided" and not old["held"]
    said = judge({"old": old, "fresh": GOOD}, lost(), lost())
    assert said[0] == "cannot tell" and "may be worse" in said[1]


def test_what_is_lost_elsewhere_outweighs_any_gain() -> None:
    told = judge({"old": GOOD, "fresh": GOOD}, lost(("General text",)), lost())
    assert told[0] == "worse" and "general text against the live version" in told[1]
    assert word(GOOD, GOOD, lost(), lost(("General text",))) == "worse"
    assert word(GOOD, GOOD, lost(), lost(unclear=("The base's own skills",))) == "cannot tell"


def test_what_was_not_measured_is_not_called_kept() -> None:
    assert "was not measured" in judge({"old": GOOD, "fresh": None}, None, None)[1]


def test_too_few_rows_tell_nothing() -> None:
    assert word(part([1.0] * 3, [0.0, 1.0, 1.0]), None) == "cannot tell"
    assert word(part([0.0], [1.0]), None) == "cannot tell"


def test_rows_of_one_conversation_count_once() -> None:
    """Twelve rows that were won are twelve of one conversation."""
    assert word(part([0.0] * 12, [1.0] * 12, cluster="talk"), None) != "better"
    assert word(part([0.0] * 12, [1.0] * 12), None) == "better"


@pytest.mark.slow
def test_one_that_is_no_better_is_called_better_in_at_most_five_percent() -> None:
    """Two parts are looked at, each two-sided at 5%, and only a gain counts."""
    drawn, wrong = np.random.default_rng(0), 0
    for _ in range(100):
        both = [part(*(drawn.random((2, rows)) < 0.8).astype(float).tolist()) for rows in (60, 24)]
        wrong += word(*both) == "better"
    assert wrong <= 0.05 * 100 + 2 * (0.05 * 0.95 * 100) ** 0.5


def cost(seconds: float | None, tokens: float = 50.0) -> AnswerCost:
    return {
        "base": "b", "parameters": 1, "weight_bytes": 4, "prompt_tokens": tokens,
        "seconds_per_answer": seconds, "training_seconds": 1.0, "why": "",
    }  # fmt: skip


def test_a_base_that_is_as_good_must_cost_less() -> None:
    assert recommend("as good", cost(1.0), cost(0.5), [])[0] == "take it"
    assert recommend("as good", cost(1.0), cost(0.95), [])[0] == "stay"
    assert recommend("as good", cost(None), cost(None, 30.0), [])[0] == "take it"
    unknown: AnswerCost = {**cost(None), "prompt_tokens": None}
    assert recommend("as good", unknown, cost(0.1), [])[0] == "stay"
    assert recommend("better", cost(1.0), cost(9.0), [])[0] == "take it"
    assert recommend("better", cost(1.0), cost(0.5), ["General text"])[0] == "stay"
    assert recommend("worse", cost(1.0), cost(0.1), [])[0] == "stay"
    assert recommend("cannot tell", cost(1.0), cost(0.1), [])[0] == "bring more test rows"
