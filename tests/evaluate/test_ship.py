"""One answer from the verdict and the budgets: used only where it is better and nothing is broken."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from whet.evaluate import ship
from whet.evaluate.heldout import paired_facts
from whet.evaluate.metric import RowScore
from whet.evaluate.ship_view import gain
from whet.types import Difference, Row

KEPT: dict[str, Any] = {"word": "kept", "broken": [], "unclear": []}
LOST: dict[str, Any] = {"word": "lost", "broken": ["The base's own skills"], "unclear": ["General text"]}
UNCLEAR: dict[str, Any] = {"word": "unclear", "broken": [], "unclear": ["General text"]}


@pytest.mark.parametrize(
    ("word", "forgetting", "caution", "answer"),
    [
        ("better", KEPT, None, "yes"),
        ("better", None, None, "yes"),
        ("better", LOST, None, "no"),
        ("better", UNCLEAR, None, "not yet"),
        ("better", KEPT, "it writes neither answer", "not yet"),
        ("worse", KEPT, None, "no"),
        ("no-difference", KEPT, None, "no"),
        ("undecided", KEPT, None, "not yet"),
        (None, None, None, "not yet"),
    ],
)
def test_only_a_gain_that_broke_nothing_is_used(
    word: str | None, forgetting: dict[str, Any] | None, caution: str | None, answer: str
) -> None:
    facts: dict[str, Any] = {"verdict": {"word": word} if word else None}
    facts |= {"forgetting": forgetting} if forgetting else {}
    facts |= {"caution": caution} if caution else {}
    found = ship.decide(facts)
    assert found["answer"] == answer
    assert found["sentence"].lower().startswith(f"{answer}: ") and found["sentence"].count(".") == 1


def test_what_broke_is_named_in_the_answer_and_in_the_verdict() -> None:
    facts = {"verdict": {"word": "better"}, "forgetting": LOST}
    assert "the base's own skills" in ship.decide(facts)["sentence"]
    assert ship.in_verdict(facts) == " But it is over budget elsewhere: the base's own skills."
    assert ship.in_verdict({"verdict": {"word": "better"}}) == ""
    assert (
        "all that was measured elsewhere is within budget"
        in ship.decide({"verdict": {"word": "better"}, "forgetting": KEPT})["sentence"]
    )


def test_scores_outside_0_to_1_are_no_percentages_on_the_first_screen() -> None:
    difference = asdict(Difference(1.25, 0.5, 2.0, 0.001, 80, 40, "sign-flip", 9.0))
    facts = {"verdict": {"word": "better"}, "difference": difference, "metric": {"name": "/home/me/own.py:stars"}}
    shown = gain(facts | {"base": {"score": 3.0}, "tuned": {"score": 4.25}})
    assert shown["figure"] == "+1.25" and shown["range"] == "95% interval +0.5 to +2"
    assert shown["note"].startswith("own.py:stars: 3 before, 4.25 now, on 80 test rows")


def test_the_gain_that_rows_can_show_is_known_for_shares_only() -> None:
    rows = [Row(n, f"r:{n}") for n in range(40)]
    for worth, known in ((1.0, True), (7.0, False)):
        values = {"base": [0.0] * 40, "tuned": [worth] * 40}
        scores = {side: [RowScore(value) for value in found] for side, found in values.items()}
        facts = paired_facts("own.py:stars", "asked for", scores, rows, 0)
        assert (facts["detectable_gain"] is not None) == known
