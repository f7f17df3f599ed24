"""What counts of what people say of a version that is tried: each client once, and nothing that nobody was told."""

from __future__ import annotations

import numpy as np

from whet.monitoring.trace import Feedback
from whet.monitoring.trials import Said, SeenTrial, Side, look_at_trial, opinions_of


def thumb(side: Side, client: str | None, good: bool) -> Said:
    return Said(side, client, Feedback(good=good), None)


def test_a_client_counts_once_with_what_was_said_first() -> None:
    said = [thumb("new", "anna", True), thumb("new", "anna", False), thumb("live", "ben", False)]
    opinions = opinions_of([*said, thumb("live", "anna", False)], ())
    assert opinions.values == [(True, 1.0), (False, 0.0)] and opinions.repeated == 2


def test_a_thousand_thumbs_of_one_client_decide_nothing() -> None:
    honest = [thumb("new" if n % 2 else "live", f"c{n}", n % 10 > 1) for n in range(40)]
    loud = [thumb("new", "loud", False)] * 1000
    before, after = (look_at_trial(SeenTrial(said=said), (), 0.5, True) for said in (honest, [*honest, *loud]))
    assert after["word"] == "go on" and after["feedback"]["same_client"] == 999
    assert after["comparison"]["capital"] < 1.5 * before["comparison"]["capital"]


def test_who_is_not_named_counts_for_nobody() -> None:
    state = look_at_trial(SeenTrial(said=[thumb("new", None, False)] * 500), (), 0.5, True)
    assert state["feedback"] == {
        "pieces": 500, "counted": 0, "same_client": 0, "no_client": 500, "telling_nothing": 0
    }  # fmt: skip
    assert state["word"] == "go on" and state["comparison"]["difference"] is None


def test_a_correction_and_a_label_are_held_to_the_answer() -> None:
    said = [
        Said("new", "a", Feedback(corrected="At ten."), "At nine."),
        Said("new", "b", Feedback(label="card"), "card"),
        Said("live", "c", Feedback(label="card"), "transfer"),
        Said("live", "d", Feedback(label="a word of mine"), "card"),
        Said("live", "e", Feedback(corrected="At nine."), None),
        Said("live", "f", Feedback(comment="hm"), "card"),
    ]
    opinions = opinions_of(said, ["card", "transfer"])
    assert opinions.values == [(True, 0.0), (True, 1.0), (False, 0.0)]
    assert opinions.silent == 3


def test_a_comment_does_not_take_the_place_of_what_a_client_says_later() -> None:
    said = [Said("new", "a", Feedback(comment="hm"), None), thumb("new", "a", True)]
    assert opinions_of(said, ()).values == [(True, 1.0)]


def test_a_stream_that_is_looked_at_after_each_thumb_is_seldom_decided_where_both_are_alike() -> None:
    """Of 40 tests of the same version under two names, whatever share it gets."""
    random = np.random.default_rng(0)
    decided = 0
    for _ in range(40):
        said = [
            thumb("new" if random.random() < 0.5 else "live", f"c{random.integers(150)}", random.random() < 0.8)
            for _ in range(200)
        ]
        decided += look_at_trial(SeenTrial(said=said), (), 0.5, True)["word"] != "go on"
    assert decided <= 5
