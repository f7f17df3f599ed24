"""Content and form apart, the loss beside them, and the sentences that say which improved."""

from __future__ import annotations

from typing import Any

import pytest

from whet.evaluation.content import state_content
from whet.evaluation.methods.answers import written_facts
from whet.evaluation.metrics.turns import asked_turns
from whet.evaluation.reference_loss import bytes_of, measure_loss, tell_loss
from whet.recipe.schema import Evaluate
from whet.types import Completion, Row, Segment

BOTH = ("refund", "delivery")


def rows(count: int) -> list[Row]:
    found = []
    for n in range(count):
        turns = [{"role": "user", "content": f"text {n}"}, {"role": "assistant", "content": BOTH[n % 2]}]
        found.append(Row(n, f"d:{n}", turns))
    return found


def facts_of(base: list[str], tuned: list[str], name: str = "accuracy", cut: int = 0) -> dict[str, Any]:
    given = rows(len(base))
    written = {
        "base": [Completion(text, n >= cut, [1]) for n, text in enumerate(base)],
        "tuned": [Completion(text, True, [1]) for text in tuned],
    }
    facts, lines = written_facts(name, "asked", written, given, asked_turns(given, 0), Evaluate(), 0)
    assert len(lines) == len(given)
    return facts | {"lines": lines}


def sentences(count: int, wrong: int = 0) -> list[str]:
    return [f"This is about a **{BOTH[(n + (n < wrong)) % 2]}**." for n in range(count)]


def labels(count: int, wrong: int = 0) -> list[str]:
    return [BOTH[(n + (n < wrong)) % 2] for n in range(count)]


def test_a_gain_of_form_is_told_as_one() -> None:
    facts = facts_of(sentences(100, wrong=10), labels(100, wrong=8))
    verdict = facts["verdict"]
    assert verdict["word"] == "better" and facts["base"]["score"] == 0
    assert (verdict["content"]["base"], verdict["content"]["tuned"]) == (0.9, 0.92)
    assert verdict["content"]["word"] != "better"
    assert (verdict["form"]["base"], verdict["form"]["tuned"], verdict["form"]["word"]) == (0, 1, "better")
    said = state_content(facts, 64)
    assert said.startswith(" The gain is form, no gain in content is shown: ") and "right in 90.0%" in said
    assert facts["lines"][0] == facts["lines"][0] | {
        "base_content": "delivery", "base_form": False, "tuned_content": "delivery", "tuned_form": True,
    }  # fmt: skip


def test_both_are_told_where_both_improved_and_nothing_where_all_was_in_form() -> None:
    said = state_content(facts_of(sentences(100, wrong=50), labels(100, wrong=5)), 64)
    assert said.startswith(" Of this, +50.0 points are form: "), said
    assert state_content(facts_of(labels(100, wrong=50), labels(100, wrong=5)), 64) == ""


def test_a_content_that_got_worse_is_said() -> None:
    facts = facts_of(sentences(100), labels(100, wrong=40))
    assert facts["verdict"]["word"] == "better" and facts["verdict"]["content"]["word"] == "worse"
    assert state_content(facts, 64).startswith(" The gain is form, the content got worse: ")


def test_what_the_limit_cut_is_counted_and_said() -> None:
    facts = facts_of(["I cannot say"] * 100, labels(100), cut=78)
    assert facts["base"]["cut"] == 0.78 and facts["base"]["extracted"] == 0 and facts["tuned"]["cut"] == 0
    said = state_content(facts, 11)
    assert (
        said.startswith(" The gain is content: ") and "The limit of 11 tokens cut 78.0% of the base's answers" in said
    )


def test_a_metric_without_a_form_has_neither_figure() -> None:
    facts = facts_of(["a refund of the money"] * 20, labels(20), name="rouge-l")
    assert facts["verdict"]["content"] is None and facts["verdict"]["form"] is None
    assert facts["base"]["in_form"] is None and facts["base"]["cut"] == 0 and "base_content" not in facts["lines"][0]
    assert state_content(facts, 64) == ""


class Letters:
    def decode(self, ids: list[int], skip_special_tokens: bool) -> str:
        return "".join(chr(token) for token in ids if token)


def test_the_loss_is_nats_a_byte_of_what_is_learned() -> None:
    segments = [
        Segment([65, 66, 233, 0], [0.0, 1.0, 1.0, 1.0], 0),  # B and é: three bytes, and a stop token
        Segment([65, 66, 67], [0.0, 0.5, 0.5], 1),
    ]
    sizes = bytes_of(segments, Letters())
    assert sizes == {0: (3, 3), 1: (2, 2)}
    nll = {"base": {0: (6.0, 3.0), 1: (2.0, 1.0)}, "tuned": {0: (3.0, 3.0), 1: (1.0, 1.0)}}
    found = measure_loss(nll, sizes, rows(2), 0, None)
    assert (found["base"], found["tuned"]) == (2.0, 1.0), "a turn of weight 0.5 counts as one of weight 1"
    assert found["difference"] == -1.0 and found["unit"] == "nats per byte of the reference"


@pytest.mark.parametrize(("value", "word"), [(0.0, "undecided"), (1.0, "no-difference")])
def test_a_metric_that_cannot_tell_the_models_apart_says_so_and_names_no_rows(value: float, word: str) -> None:
    count = 300
    texts = labels(count) if value else ["x"] * count
    facts = facts_of(texts, texts, name="exact-match")
    nll = {
        side: {n: (loss + 0.001 * (n % 7), 1.0) for n in range(count)} for side, loss in (("base", 2.0), ("tuned", 1.0))
    }
    facts["loss"] = measure_loss(nll, dict.fromkeys(range(count), (1, 1)), rows(count), 0, None)
    tell_loss(facts)
    verdict = facts["verdict"]
    assert verdict["word"] == word and verdict["rows_needed"] is None
    assert (
        f"cannot tell these models apart, both score {value:.0f} on all 300 test rows; look at the loss: 2 to 1 nats"
        in (verdict["sentence"])
    )
    assert facts["loss"]["word"] == "better" and facts["loss"]["difference_interval"][1] < 0


def test_beside_free_text_the_loss_is_said_and_elsewhere_it_is_not() -> None:
    for name, there in (("rouge-l", True), ("accuracy", False)):
        facts = facts_of(labels(60, wrong=30), labels(60), name=name)
        nll = {side: dict.fromkeys(range(60), (loss, 1.0)) for side, loss in (("base", 2.0), ("tuned", 1.0))}
        facts["loss"] = measure_loss(nll, dict.fromkeys(range(60), (1, 1)), rows(60), 0, None)
        tell_loss(facts)
        assert ("The loss went from" in facts["verdict"]["sentence"]) is there
