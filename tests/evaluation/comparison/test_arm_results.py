"""Numbers of arms: costs, paired differences of a whole family, and both directions of a pair."""

from __future__ import annotations

from itertools import combinations

import pytest
from statsmodels.stats.multitest import multipletests

from tests.reports.made_up_comparison import SETTINGS, SKILL, TOKENS, asked, comparison, rows_of
from whet.evaluation.comparison.arm_results import all_pairs, arm_results, between
from whet.evaluation.comparison.arms import KNOWN, arms_of
from whet.evaluation.metrics.turns import asked_turns
from whet.recipe.sections.compare import Compare
from whet.stats.paired import paired_difference
from whet.types import Row

KEYS = {"name", "score", "low", "high", "seconds_per_answer", "prompt_tokens", "answer_tokens", "cost"}


def test_p_values_are_corrected_over_all_pairs_as_statsmodels_does() -> None:
    rows = rows_of(80)
    given = [asked(arm, rows, SKILL[arm.name], 60) for arm in arms_of(SETTINGS)]
    raw = [paired_difference(b.values, a.values).p for a, b in combinations(given, 2)]
    wanted = multipletests(raw, method="holm")[1]
    assert [one.p for one in all_pairs(given, rows, 0).values()] == pytest.approx(list(wanted))


def test_a_pair_read_backwards_is_its_mirror() -> None:
    rows = rows_of(80)
    few, tuned = (asked(KNOWN[name], rows, SKILL[name]) for name in ("few-shot", "tuned"))
    found = all_pairs([few, tuned], rows, 0)
    there, back = between(found, "few-shot", "tuned"), between(found, "tuned", "few-shot")
    assert back.estimate > 0 and (back.estimate, back.low, back.high) == (-there.estimate, -there.high, -there.low)


def test_rows_of_one_group_are_drawn_together() -> None:
    rows = rows_of(60)
    grouped = [Row(row.index, row.where, row.messages, group=f"talk {row.index // 6}") for row in rows]
    pair = [asked(KNOWN[name], rows, SKILL[name]) for name in ("few-shot", "tuned")]
    (alone,), (together,) = (list(all_pairs(pair, given, 0).values()) for given in (rows, grouped))
    assert "clusters" in together.test and "clusters" not in alone.test


def test_every_arm_has_the_keys_that_others_build_on_and_costs_what_its_prices_say() -> None:
    facts, _ = comparison(100)
    arms = {arm["name"]: arm for arm in facts["arms"]}
    assert all(set(arm) >= KEYS for arm in arms.values()) and list(arms) == list(SKILL)
    assert arms["big-model"]["cost"] == pytest.approx(1000 * (60 * 2.0 + 3 * 8.0) / 1e6)
    seconds = 0.0004 * TOKENS["few-shot"]
    assert arms["few-shot"]["cost"] == pytest.approx(1000 * seconds * 1.2 / 3600)
    free, _ = comparison(40, Compare())
    assert {arm["cost"] for arm in free["arms"]} == {None}


def test_the_verdict_says_what_to_do_and_whether_tuning_is_better() -> None:
    facts, _ = comparison(300)
    assert facts["verdict"]["word"] == "better" and facts["verdict"]["arm"] == "tuned"
    assert facts["verdict"]["do"] == "fine-tune" and facts["verdict"]["sentence"].endswith("fine-tune.")
    untrained, _ = comparison(300, Compare(arms=["zero-shot", "few-shot"]))
    assert untrained["verdict"]["word"] is None and untrained["verdict"]["arm"] == "few-shot"


def test_few_rows_cannot_tell_and_say_how_many_would() -> None:
    facts, _ = comparison(12)
    assert facts["verdict"]["arm"] is None and facts["verdict"]["rows_needed"] > 12


def test_scores_outside_0_to_1_keep_their_scale() -> None:
    rows = rows_of(60)
    given = [asked(KNOWN[name], rows, SKILL[name]) for name in ("few-shot", "tuned")]
    for one in given:
        for score in one.scores:
            score.value = 10 * score.value - 5
    turns = asked_turns(rows, 0)
    facts = arm_results(given, turns, Compare(), "accuracy", 1024, 0)
    assert facts["scale"] == 10 and facts["verdict"]["arm"] == "tuned" and "%" not in facts["verdict"]["sentence"]
    small = arm_results(given, turns, Compare(margin=0.99), "accuracy", 1024, 0)  # 9.9 of 10: anything is good enough
    assert small["standing"]["few-shot"] == "good enough"
