"""The rule of the advice: each clause once, and its error rate by simulation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from whet.evaluation.comparison.advice import Advice, Candidate, PairedGap, bonferroni_low, recommend, standing_of
from whet.stats.paired import paired_difference

PLAIN = Candidate("zero-shot", "the base as it is", "use the base", 0.1, 0.07, 0.13, 60, 80, None, False, 0)
FEW = Candidate("few-shot", "few-shot", "use examples", 0.71, 0.67, 0.75, 900, 920, None, False, 2)
LOOKED_UP = Candidate("retrieval", "retrieval", "use retrieval", 0.7, 0.66, 0.74, 400, 420, None, False, 4)
TUNED = Candidate("tuned", "the tuned model", "fine-tune", 0.93, 0.91, 0.95, 60, 80, None, True, 5)
BOTH = Candidate("tuned-retrieval", "both", "do both", 0.94, 0.92, 0.96, 400, 420, None, True, 6)

WORSE = PairedGap(-0.22, -0.27, -0.17, 0.0001)
SAME = PairedGap(0.0, -0.01, 0.01, 1.0)
UNKNOWN = PairedGap(-0.01, -0.06, 0.04, 0.7)


def advise(*pairs: tuple[Candidate, PairedGap | None], margin: float = 0.02) -> Advice:
    gaps = {arm.name: gap for arm, gap in pairs if gap}
    return recommend([arm for arm, _ in pairs], gaps, margin, 200, lambda name: 1234)


def test_tuning_wins_where_everything_else_is_proved_worse() -> None:
    advice = advise((PLAIN, WORSE), (FEW, WORSE), (TUNED, None))
    assert advice.arm == "tuned" and advice.rows_needed is None
    assert advice.sentence == (
        "Few-shot reaches 71% (67 to 75) at 900 prompt tokens; "
        "the tuned model 93% (91 to 95) at 60 prompt tokens: fine-tune."
    )
    assert advice.standing == {"zero-shot": "ruled out", "few-shot": "ruled out", "tuned": "best"}


def test_an_interval_is_told_by_its_ends() -> None:
    """A score at the edge has an interval to one side only, which no "plus or minus" tells."""
    few = replace(FEW, score=0.0, low=0.0, high=0.114)
    assert "Few-shot reaches 0% (0 to 11) at" in advise((few, WORSE), (TUNED, None)).sentence


def test_retrieval_wins_where_tuning_does_not_learn_the_facts() -> None:
    tuned = replace(TUNED, score=0.05, low=0.02, high=0.1)
    advice = advise((PLAIN, WORSE), (tuned, WORSE), (LOOKED_UP, None))
    assert advice.arm == "retrieval" and "use retrieval" in advice.sentence


def test_an_arm_that_is_good_enough_and_needs_no_training_wins() -> None:
    plain = replace(PLAIN, score=0.92)
    advice = advise((plain, SAME), (TUNED, None))
    assert advice.arm == "zero-shot" and "not more than 2 points below the best" in advice.sentence


def test_training_wins_at_equal_quality_from_half_the_cost_on() -> None:
    few = replace(FEW, score=0.92)
    assert advise((few, SAME), (TUNED, None)).arm == "tuned"  # 80 tokens against 920
    near = replace(few, tokens=159)
    assert advise((near, SAME), (TUNED, None)).arm == "few-shot"  # 80 against 159: less than half is saved
    assert advise((replace(few, tokens=160), SAME), (TUNED, None)).arm == "tuned"


def test_dollars_win_over_tokens_where_both_have_them() -> None:
    few, tuned = replace(FEW, score=0.92, cost=0.10), replace(TUNED, cost=0.30)
    advice = advise((few, SAME), (tuned, None))
    assert advice.arm == "few-shot" and "$0.10 a thousand answers" in advice.sentence
    assert advise((replace(few, cost=None), SAME), (tuned, None)).arm == "tuned"


def test_about_equal_costs_are_decided_by_effort() -> None:
    system = replace(FEW, name="system", score=0.7, tokens=1000, effort=1)
    few = replace(FEW, score=0.71, tokens=920)
    assert advise((system, SAME), (few, None)).arm == "system"  # 9% dearer, and less to set up
    assert advise((replace(system, tokens=1100), SAME), (few, None)).arm == "few-shot"


def test_rows_that_cannot_tell_say_how_many_would_and_what_to_do_until_then() -> None:
    advice = advise((PLAIN, WORSE), (TUNED, UNKNOWN), (BOTH, None))
    assert advice.arm is None and advice.meanwhile == "tuned-retrieval" and advice.rows_needed == 1300
    assert "cannot tell whether the tuned model" in advice.sentence and "About 1,300 rows" in advice.sentence
    assert advice.sentence.endswith("Until then: do both.")


def test_an_open_arm_that_would_not_win_anyway_leaves_the_advice_alone() -> None:
    dear = replace(FEW, score=0.92)
    assert advise((dear, UNKNOWN), (TUNED, None)).arm == "tuned"


def test_nothing_is_advised_where_nothing_is_ever_right() -> None:
    plain, tuned = replace(PLAIN, score=0.0), replace(TUNED, score=0.0)
    advice = advise((plain, None), (tuned, SAME))
    assert advice.arm is None and advice.meanwhile is None and advice.sentence.startswith("No arm answers one")


def test_scores_outside_0_to_1_are_told_as_they_are_and_the_margin_is_a_share_of_their_range() -> None:
    few, tuned = replace(FEW, score=-3.0, low=-4.0, high=-2.0), replace(TUNED, score=7.0, low=6.0, high=8.0, tokens=470)
    gaps = {"few-shot": PairedGap(-10.0, -12.0, -8.0, 0.0001)}
    advice = recommend([few, tuned], gaps, 0.02, 200, scale=20.0)
    assert advice.arm == "tuned"
    assert "reaches -3 (-4 to -2) at 900 prompt tokens; the tuned model 7 (6 to 8)" in advice.sentence
    close = {"few-shot": PairedGap(-0.1, -0.3, 0.1, 0.5)}
    advice = recommend([few, tuned], close, 0.02, 200, scale=20.0)
    assert advice.arm == "few-shot" and "not more than 0.4 below" in advice.sentence


def test_p_alone_never_makes_an_arm_good_enough() -> None:
    assert standing_of(PairedGap(-0.03, -0.08, 0.02, 0.4), 0.02, 1) == "open"
    assert standing_of(PairedGap(-0.03, -0.05, -0.015, 0.01), 0.02, 1) == "ruled out"
    assert (
        standing_of(PairedGap(-0.01, -0.018, -0.002, 0.01), 0.02, 1) == "good enough"
    )  # worse, and not by more than the margin


def test_intervals_are_widened_for_the_number_of_arms_as_bonferroni_says() -> None:
    gap = PairedGap(0.0, -1.959964, 1.959964, 1.0)
    assert bonferroni_low(gap, 1) == pytest.approx(-1.959964, abs=1e-5)
    assert bonferroni_low(gap, 5) == pytest.approx(-2.575829, abs=1e-5)  # the normal quantile at 1 - 0.05 / 2 / 5
    near = PairedGap(0.0, -0.018, 0.018, 1.0)
    assert standing_of(near, 0.02, 1) == "good enough" and standing_of(near, 0.02, 5) == "open"


@pytest.mark.slow
def test_arms_that_are_worse_by_the_margin_are_rarely_called_good_enough() -> None:
    """Four arms that lie exactly the margin below the best: at most 5% of comparisons may call any of them equal."""
    random, margin, rows, wrong, tries = np.random.default_rng(0), 0.05, 300, 0, 400
    for _ in range(tries):
        best = (random.random(rows) < 0.8).astype(float)
        found = False
        for _ in range(4):
            flips = random.random(rows)
            arm = np.where(best == 1, flips >= 0.1125, flips < 0.2).astype(float)  # 0.8 * 0.1125 - 0.2 * 0.2 = 0.05
            gap = paired_difference(best, arm)
            found |= standing_of(PairedGap(gap.estimate, gap.low, gap.high, gap.p), margin, 4) == "good enough"
        wrong += found
    assert wrong / tries <= 0.05 + 2 * (0.05 * 0.95 / tries) ** 0.5
