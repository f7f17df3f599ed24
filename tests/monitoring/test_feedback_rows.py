"""Feedback as rows to learn from: with its origin, without what people disagree on, and without test rows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from whet.monitoring import feedback_rows as rows
from whet.monitoring.feedback_rows import FeedbackForm, feedback_rows
from whet.monitoring.trace import Feedback, Trace

ASKED = [{"role": "user", "content": "Where is my order 4411 for the blue kettle, please?"}]


def trace(*said: Feedback, answer: str | None = "It is lost.") -> Trace:
    return Trace("c1", "log:1", at=0.0, messages=ASKED, answer=answer, feedback=said)


def made(one: Trace, form: FeedbackForm = "answers") -> tuple[list[dict], list[str]]:
    found = feedback_rows([one], form, [])
    return found.rows, [left["why"] for left in found.left_out]


def test_a_correction_is_a_row_with_its_origin() -> None:
    (row,), _ = made(trace(Feedback(corrected="It is on its way.", by="anna")))
    assert row["messages"] == [*ASKED, {"role": "assistant", "content": "It is on its way."}]
    assert (row["trace"], row["at"], row["by"]) == ("c1", "1970-01-01T00:00:00Z", ["anna"])


def test_a_correction_beside_the_answer_is_a_pair() -> None:
    (row,), _ = made(trace(Feedback(corrected="It is on its way.")), "pairs")
    assert (row["chosen"], row["rejected"]) == ("It is on its way.", "It is lost.")
    assert made(trace(Feedback(corrected="It is lost")), "pairs") == ([], [rows.SAME])


@pytest.mark.parametrize("good", [True, False])
def test_a_thumb_marks_the_answer_that_was_given(good: bool) -> None:
    (row,), _ = made(trace(Feedback(good=good)), "marks")
    assert (row["completion"], row["label"]) == ("It is lost.", good)


def test_a_thumb_up_says_that_the_answer_was_right_and_a_thumb_down_no_more_than_that_it_was_not() -> None:
    (row,), _ = made(trace(Feedback(good=True)))
    assert row["messages"][-1]["content"] == "It is lost."
    assert made(trace(Feedback(good=False))) == ([], [rows.SAID])


@pytest.mark.parametrize(
    ("said", "form"),
    [
        ((Feedback(good=True, by="a"), Feedback(good=False, by="b")), "marks"),
        ((Feedback(good=True), Feedback(good=False)), "answers"),
        ((Feedback(corrected="On its way."), Feedback(corrected="Delivered.")), "answers"),
        ((Feedback(corrected="On its way."), Feedback(good=True)), "pairs"),
    ],
)
def test_what_people_disagree_on_is_shown_and_not_averaged(said: tuple[Feedback, ...], form: FeedbackForm) -> None:
    found = feedback_rows([trace(*said)], form, [])
    assert found.rows == [] and found.left_out[0]["why"] == rows.DISAGREE
    assert len(found.left_out[0]["said"]) == 2


def test_two_who_say_the_same_agree() -> None:
    (row,), _ = made(trace(Feedback(corrected="On its way."), Feedback(corrected="on its way")))
    assert row["messages"][-1]["content"] == "On its way."


@pytest.mark.parametrize(
    "asked",
    [
        "where is MY order 4411 for the blue kettle please",
        "Hello! Where is my order 4411 for the blue kettle that I bought for my mother in the shop by the river "
        "on Monday when it rained?",
    ],
)
def test_a_row_near_to_a_test_row_never_enters_training(asked: str) -> None:
    long = "Where is my order 4411 for the blue kettle that I bought for my mother in the shop by the river on Monday "
    test = [{"role": "user", "content": long + "when it rained?"}, {"role": "assistant", "content": "On its way."}]
    if "Hello" not in asked:
        test = [*ASKED, test[1]]
    near = replace(trace(Feedback(corrected="It is lost, sorry.")), messages=[{"role": "user", "content": asked}])
    other = replace(
        trace(Feedback(corrected="Use the red button.")),
        id="c2",
        messages=[{"role": "user", "content": "How do I switch the machine in the cellar off at night?"}],
    )
    found = feedback_rows([near, other], "answers", [test])
    assert [row["trace"] for row in found.rows] == ["c2"]
    assert [(left["trace"], left["why"]) for left in found.left_out] == [("c1", rows.NEAR_TEST)]
    assert len(feedback_rows([near, other], "answers", []).rows) == 2


def test_counts_without_texts_make_no_row() -> None:
    assert made(replace(trace(Feedback(good=True)), messages=[], answer=None), "marks") == ([], [rows.NO_TEXT])
    assert feedback_rows([trace()], "answers", []).left_out == []
