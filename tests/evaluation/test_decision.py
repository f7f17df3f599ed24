"""One answer from the verdict and the budgets: used only where it is better and nothing is broken."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from whet.evaluation import decision
from whet.evaluation.heldout import paired_facts
from whet.evaluation.metrics.scoring import RowScore
from whet.reports.sections.first.decision import gain
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
    found = decision.decide(facts)
    assert found["answer"] == answer
    assert found["sentence"].lower().startswith(f"{answer}: ") and found["sentence"].count(".") == 1


@pytest.mark.parametrize("word", ["undecided", "no-difference", "worse"])
def test_a_model_that_is_its_base_is_told_so_and_not_used(word: str) -> None:
    """Its test rows "cannot tell" either, but more of them would not help."""
    found = decision.decide({"verdict": {"word": word}, "forgetting": UNCLEAR, "is_base": True})
    assert found["answer"] == "no" and "this model is its base" in found["sentence"]


def test_what_broke_is_named_in_the_answer_and_in_the_verdict() -> None:
    facts = {"verdict": {"word": "better"}, "forgetting": LOST}
    assert "the base's own skills" in decision.decide(facts)["sentence"]
    assert decision.cost_sentence(facts) == " But it is over budget elsewhere: the base's own skills."
    assert decision.cost_sentence({"verdict": {"word": "better"}}) == ""
    assert (
        "all that was measured elsewhere is within budget"
        in decision.decide({"verdict": {"word": "better"}, "forgetting": KEPT})["sentence"]
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


def one(name: str, word: str, tokens: float | None, gain: float = 0.0) -> dict[str, Any]:
    label = {"base": "the base as it is", "examples": "the base with three examples"}.get(name, name)
    return {"name": name, "label": label, "word": word, "better": word == "better", "prompt_tokens": tokens,
            "difference": gain}  # fmt: skip


def verdict(word: str, strongest: str, *others: dict[str, Any]) -> dict[str, Any]:
    return {"word": word, "strongest": strongest, "against": [one("base", "better", 60.0, 0.5), *others]}


def test_as_good_as_examples_for_half_of_the_tokens_is_used_and_says_so() -> None:
    facts = {"verdict": verdict("no-difference", "examples", one("examples", "no-difference", 900.0))}
    found = decision.decide(facts | {"forgetting": KEPT})
    said = "as good as the base with three examples, with 60 prompt tokens in the place of 900"
    assert found["answer"] == "yes" and said in found["sentence"]
    assert decision.decide(facts | {"forgetting": LOST})["answer"] == "no"


@pytest.mark.parametrize(
    "others",
    [
        [one("examples", "no-difference", 100.0)],
        [one("examples", "no-difference", None)],
        [one("examples", "no-difference", 900.0), one("prompted", "undecided", 900.0)],
    ],
)
def test_as_good_as_what_costs_about_the_same_is_not_used(others: list[dict[str, Any]]) -> None:
    found = decision.decide({"verdict": verdict("no-difference", "examples", *others), "forgetting": KEPT})
    assert found["answer"] == "no" and "three examples, which needs no training" in found["sentence"]


def test_the_opponent_that_was_not_beaten_is_named() -> None:
    facts = {"verdict": verdict("undecided", "examples", one("examples", "undecided", 900.0))}
    assert "whether it is better than the base with three examples" in decision.decide(facts)["sentence"]
    facts = {"verdict": verdict("worse", "examples", one("examples", "worse", 900.0))}
    assert decision.decide(facts)["sentence"] == "No: it is worse than the base with three examples."


ADVISED: dict[str, Any] = {"word": "better", "arm": "tuned", "meanwhile": None, "do": "fine-tune", "rows_needed": None,
                           "sentence": "Zero-shot reaches 0%; the tuned model 86%: fine-tune."}  # fmt: skip


def test_a_comparison_never_advises_what_the_run_itself_does_not() -> None:
    no = {"answer": "no", "sentence": "No: it is no better than x.", "broken": []}
    against = [one("base", "better", 60.0, 0.5), one("prompted", "no-difference", 90.0, 0.0)]
    found = decision.settle(ADVISED, no, against)
    assert found["headline"] == "Do not use this tuned model; use the base with a prompt"
    assert found["sentence"].endswith("86%: do not use this tuned model; use the base with a prompt.")
    later = decision.settle(ADVISED, no | {"answer": "not yet"}, against)
    assert later["headline"] == "Do not use this tuned model yet"
    broken = decision.settle(ADVISED, no | {"broken": ["General text"]}, against[:1])
    assert broken["headline"] == "Do not use this tuned model" and "fine-tune" not in broken["sentence"]


def test_an_arm_that_the_run_proved_its_model_better_than_is_not_advised() -> None:
    cheaper = ADVISED | {"arm": "few-shot-nearest", "do": "put the nearest rows into the prompt",
                         "sentence": "Few-shot takes less: put the nearest rows into the prompt."}  # fmt: skip
    yes = {"answer": "yes", "sentence": "Yes: it is better.", "broken": []}
    found = decision.settle(cheaper, yes, [one("examples", "better", 900.0, 0.01)])
    assert found["arm"] == "tuned" and found["headline"] == "Fine-tune" and found["sentence"].endswith("fine-tune.")
    kept = decision.settle(cheaper | {"arm": "retrieval"}, yes, [one("examples", "better", 900.0, 0.01)])
    assert kept["arm"] == "retrieval" and kept["headline"] == "Put the nearest rows into the prompt"
    assert (
        decision.settle(ADVISED, yes, [])["headline"] == decision.settle(ADVISED, None, [])["headline"] == "Fine-tune"
    )
