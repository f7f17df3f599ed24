"""Prompts of the arms: where examples and passages stand, and what is left out of a prompt that does not fit."""

from __future__ import annotations

import pytest

from whet.api import chat
from whet.data.render.renderer import Renderer
from whet.data.retrieval.documents import Passage
from whet.data.retrieval.retrievers import BM25
from whet.errors import DataError, InputError
from whet.evaluation.prompts import (
    FewShot,
    WithPassages,
    ZeroShot,
    fit_to_context,
    nearest_examples,
    same_examples,
    usable_examples,
)
from whet.types import Row


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return chat("nano").renderer


def row(index: int, question: str, answer: str, label: str | None = None, system: str | None = None) -> Row:
    turns = [{"role": "system", "content": system}] if system else []
    turns += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return Row(index, f"rows:{index + 1}", turns, label=label)


POOL = [
    row(n, f"Is {word} a fruit?", "yes" if n < 3 else "no") for n, word in enumerate("apple pear plum stone".split())
]
ASKED = row(9, "Is a green pear ripe?", "no")


def test_examples_are_turns_and_the_nearest_stands_last() -> None:
    framing = FewShot(nearest_examples(POOL, 2))
    messages = framing.messages(ASKED, framing.parts([ASKED])[0])
    assert [message["role"] for message in messages] == ["user", "assistant"] * 2 + ["user"]
    assert messages[2]["content"] == "Is pear a fruit?" and messages[-1]["content"] == "Is a green pear ripe?"


def test_the_answer_of_the_row_itself_is_never_in_its_prompt() -> None:
    secret = row(5, "What is the word?", "xylophone")
    for framing in (ZeroShot(), ZeroShot("Be short."), FewShot(same_examples(POOL, 2, 0))):
        assert "xylophone" not in str(framing.messages(secret, framing.parts([secret])[0]))


def test_fixed_examples_cover_labels_before_they_repeat_one_and_grow_without_changing() -> None:
    pool = [row(n, f"text {n}", label, label) for n, label in enumerate("aaaaaabbc")]
    chosen = same_examples(pool, 3, seed=0)([ASKED])[0]
    assert {one.label for one in chosen} == {"a", "b", "c"}
    assert same_examples(pool, 5, seed=0)([ASKED])[0][:3] == chosen


def test_an_instruction_takes_the_place_of_the_rows_own() -> None:
    own = row(0, "Hello?", "yes", system="Be long.")
    assert [m["content"] for m in ZeroShot("Be short.").messages(own, [])] == ["Be short.", "Hello?"]
    assert [m["content"] for m in ZeroShot().messages(own, [])] == ["Be long.", "Hello?"]
    kept = FewShot(same_examples(POOL, 1, 0)).messages(own, POOL[:1])
    assert [m["role"] for m in kept] == ["system", "user", "assistant", "user"]


def test_passages_go_into_the_template_as_they_are() -> None:
    found = WithPassages(
        BM25([Passage("a#1", "Green {question} pears ripen late.", "a")]), 1, "Read: {passages}\nThen: {question}"
    )
    messages = found.messages(ASKED, found.parts([ASKED])[0])
    assert messages[-1]["content"] == "Read: Green {question} pears ripen late.\nThen: Is a green pear ripe?"
    assert found.messages(ASKED, []) == ASKED.prompt


def test_what_does_not_fit_is_left_out_from_the_least_worthy_on_and_counted(renderer: Renderer) -> None:
    framing = FewShot(nearest_examples(POOL, 3))
    whole = fit_to_context(framing, [ASKED], renderer, 1000)
    assert (whole.offered, whole.kept, whole.reduced, whole.bare) == (3, 3, 0, 0)
    tight = fit_to_context(framing, [ASKED], renderer, len(whole.tokens[0]) - 1)
    assert (tight.kept, tight.reduced, tight.bare) == (2, 1, 0) and len(tight.tokens[0]) < len(whole.tokens[0])
    assert tight.messages[0][-3]["content"] == "Is pear a fruit?"  # the nearest is still there
    bare = fit_to_context(framing, [ASKED], renderer, len(renderer.prompt_ids(ASKED.prompt)))
    assert (bare.kept, bare.reduced, bare.bare) == (0, 1, 1)


def test_a_prompt_that_cannot_fit_is_refused_with_its_row(renderer: Renderer) -> None:
    with pytest.raises(InputError, match="rows:10.*there is room for 5"):
        fit_to_context(ZeroShot(), [ASKED], renderer, 5)


def test_rows_without_answers_are_no_examples() -> None:
    asked = Row(0, "rows:1", [{"role": "user", "content": "Hello?"}])
    assert usable_examples([asked, *POOL]) == POOL
    with pytest.raises(DataError, match="need training rows with a question, an answer in words"):
        usable_examples([asked])
    with pytest.raises(DataError, match="need validation rows"):
        usable_examples([asked], "validation")
