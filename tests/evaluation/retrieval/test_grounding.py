"""Support by hand and beside SQuAD's own F1 code, refusals with their rates, and a judge that is asked once."""

from __future__ import annotations

import re
import string
from collections import Counter

import pytest

from tests.chat_server import Server, said, serving
from whet.errors import DataError
from whet.evaluation.retrieval.grounding import (
    grounding,
    is_refusal,
    judge_support,
    overlap,
    passages_hold_answer,
    unsupported,
)
from whet.recipe.schema import SupportJudge
from whet.types import Row

server = pytest.fixture(serving)
TEXT = "The harbour of Mirosa opens at nine. It closes at 19."


def squad_precision(answer: str, knowledge: str) -> float:
    """The precision inside `f1_score` of SQuAD's evaluation script, which K-Precision is."""

    def tokens(text: str) -> list[str]:
        text = "".join(letter for letter in text.lower() if letter not in string.punctuation)
        return re.sub(r"\b(a|an|the)\b", " ", text).split()

    common = Counter(tokens(answer)) & Counter(tokens(knowledge))
    return sum(common.values()) / len(tokens(answer))


@pytest.mark.parametrize(
    "answer", ["At nine.", "The harbour opens at nine, at nine", "It is the old harbour of Porgal", "Nobody knows"]
)
def test_k_precision_is_that_of_squads_script(answer: str) -> None:
    assert overlap(answer, [TEXT]) == pytest.approx(squad_precision(answer, TEXT))


def test_pairs_of_words_notice_another_order() -> None:
    assert overlap("opens at nine", [TEXT], 2) == 1
    assert overlap("nine opens at", [TEXT], 2) == 0.5
    assert overlap("nine", [TEXT], 2) is None
    assert overlap("closes 19 harbour", ["closes", "19 harbour"], 2) == 0.5, "no pair across two passages"


def test_one_foreign_content_word_makes_an_answer_unsupported() -> None:
    assert unsupported("It opens at nine.", [TEXT]) == []
    assert unsupported("It opens at ten.", [TEXT]) == ["ten"]
    assert unsupported("Mirosa's library opens", [TEXT]) == ["library"]


def test_the_rates_of_a_small_table_by_hand() -> None:
    answers = ["nine", "ten", "Not stated.", "Not stated.", "19"]
    holds = [True, False, False, True, None]
    found = grounding(answers, [[TEXT]] * 5, holds=holds)
    assert found["rows"] == 5 and found["refused"] == 2
    assert found["supported"]["mean"] == pytest.approx(2 / 3) and found["supported"]["rows"] == 3
    assert found["k_precision"]["mean"] == pytest.approx(2 / 3)
    assert found["bigrams"] is None, "no answer has two words"
    assert found["refusal_where_absent"]["mean"] == 0.5 and found["refusal_where_absent"]["rows"] == 2
    assert found["refusal_where_present"]["mean"] == 0.5 and found["refusal_where_present"]["rows"] == 2


def test_words_of_the_question_count_as_given() -> None:
    answer, question = "The ferry leaves at nine", "When does the ferry leave? The ferry leaves at..."
    assert grounding([answer], [[TEXT]])["supported"]["mean"] == 0
    assert grounding([answer], [[TEXT]], [question])["supported"]["mean"] == 1
    assert grounding(["Yes"], [[TEXT]])["supported"] is None, "a yes has no words to look for"


def test_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(DataError, match="one length"):
        grounding(["a"], [])


def test_refusals_are_short_and_whole_words() -> None:
    assert (
        is_refusal("Not stated.") and is_refusal("Sorry, I don’t know that.") and is_refusal("The text does not tell.")
    )
    assert not is_refusal("nine") and not is_refusal("The drug does not contain it")
    assert not is_refusal("That is not stated, but " + "it is a long story and " * 6)
    assert is_refusal("Fragen Sie uns", ["fragen sie uns"]) and not is_refusal("Not stated", ["fragen sie uns"])


def test_an_answer_is_held_where_it_stands_as_whole_words() -> None:
    assert passages_hold_answer(["Nine", "9", "", "closes at 19."], [[TEXT]] * 4) == [True, False, None, True]


def test_a_judge_reads_the_passages_and_is_asked_about_support(server: Server) -> None:
    server.reply = lambda number: (200, said("10" if "\nat nine\n" in _text(server, number) else "0"))
    settings = SupportJudge(url=server.url, model="judge")
    prompts = [[{"role": "user", "content": f"{TEXT}\n\nWhen?"}]] * 2
    found = judge_support(settings, prompts, ["at nine", "at ten"], [Row(0, "a"), Row(1, "b")], None)
    assert found and found["mean"] == 0.5 and found["rows"] == 2
    assert TEXT in _text(server, 0) and "unsupported" in _text(server, 0)


def _text(server: Server, number: int) -> str:
    return server.asked[number][2]["messages"][0]["content"]
