"""One answer from the verdict and the budgets: used only where it is better and nothing is broken."""

from __future__ import annotations

from typing import Any

import pytest

from whet.evaluate import ship

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
    assert ship.in_verdict(facts) == " But it broke more than its budget allows: the base's own skills."
    assert ship.in_verdict({"verdict": {"word": "better"}}) == ""
    assert (
        "nothing that was measured is broken"
        in ship.decide({"verdict": {"word": "better"}, "forgetting": KEPT})["sentence"]
    )
