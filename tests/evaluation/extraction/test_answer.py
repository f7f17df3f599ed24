"""What is taken out of an answer: many ways to write one, and answers that must not get anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whet.errors import InputError
from whet.evaluation.content import content_scores, known_answers
from whet.evaluation.extraction.answer import extract
from whet.evaluation.extraction.result import same_result
from whet.evaluation.metrics import scoring as metric
from whet.types import Row

SPAM = ("spam", "ham")
INTENTS = ("card_arrival", "card payment", "card payment fee", "Refund", "no", "other")


def row(reference: str = "x", prompt: str = "question", index: int = 0) -> Row:
    turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": reference}]
    return Row(index, f"data.jsonl:{index + 1}", turns)


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("spam", "spam"),
        ("Spam.", "spam"),
        ("**Spam**", "spam"),
        ('"ham"', "ham"),
        ("`ham`", "ham"),
        ("```\nspam\n```", "spam"),
        ("The label is spam.", "spam"),
        ("Label: **spam**", "spam"),
        ("**Label:** spam", "spam"),
        ("Intent: spam", "spam"),
        ("I think the answer is: ham, because a friend wrote it", "ham"),
        ("This message is spam.", "spam"),
        ("Spam. It asks for money", "spam"),
        ("spam\n\nIt asks for money", "spam"),
        ("Spam spam spam", "spam"),
        ("It could be spam or ham.\nAnswer: ham", "ham"),
        ("This is not spam", None),
        ("It isn't really spam", None),
        ("I would call it ham rather than spam", None),
        ("non-spam", None),
        ("Das ist kein Spam", None),
        ("It is spam, not ham", None),
        ("spam, ham", None),
        ("spam or ham", None),
        ("spam\nham", None),
        ("- spam\n- ham", None),
        ("Label: spam, ham", None),
        ("Answer: ham\nLabel: spam", None),
        ("spamming", None),
        ("neither", None),
        ("", None),
    ],
)
def test_a_label_is_taken_where_exactly_one_is_meant(answer: str, label: str | None) -> None:
    assert extract("accuracy", answer, row(), SPAM).content == label


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("card arrival", "card_arrival"),
        ("It is about the card arrival.", "card_arrival"),
        ("this concerns the card payment fee", "card payment fee"),
        ("this concerns the card payment", "card payment"),
        ("a refund", "Refund"),
        ("No.", "no"),
        ("No, it was never sent.", "no"),
        ("There is no way to tell", None),
        ("some other day", None),
        ("Other", "other"),
        ("the label is other", "other"),
        ("no/other", None),
    ],
)
def test_the_longest_label_counts_and_common_words_only_where_an_answer_stands(answer: str, label: str | None) -> None:
    assert extract("accuracy", answer, row(), INTENTS).content == label


@pytest.mark.parametrize(
    ("answer", "label"),
    [("A", "A"), ("(A)", "A"), ("A) Paris", "A"), ("A. Paris", "A"), ("The answer is B.", "B"), ("Label: (C)", "C"),
     ("A customer asks", None), ("A or B", None), ("(A) or (B)", None), ("A, B, C", None)],
)  # fmt: skip
def test_letters_of_a_choice(answer: str, label: str | None) -> None:
    assert extract("accuracy", answer, row(), ("A", "B", "C")).content == label


def test_languages_without_spaces_have_no_borders_of_words() -> None:
    known = ("垃圾邮件", "正常")
    assert extract("accuracy", "这是垃圾邮件。", row(), known).content == "垃圾邮件"
    assert extract("accuracy", "这不是垃圾邮件", row(), known).content is None


@pytest.mark.parametrize("answer", [" ".join(INTENTS), ", ".join(INTENTS), "\n".join(INTENTS), "/".join(INTENTS)])
def test_who_lists_all_labels_gets_none(answer: str) -> None:
    assert extract("accuracy", answer, row(), INTENTS).content is None


def test_only_a_label_alone_is_in_form() -> None:
    in_form = {"spam": True, "Spam.": True, "**spam**": False, "The label is spam": False, "eggs": False, "": False}
    assert {text: extract("accuracy", text, row(), SPAM).in_form for text in in_form} == in_form


@pytest.mark.parametrize(
    ("answer", "content"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ('```json\n{"a": 1}\n```', '{"a": 1}'),
        ('Sure! {"a": {"b": "} {"}} is it', '{"a": {"b": "} {"}}'),
        ('[{"a": 1}, {"a": 2}]', '{"a": 1}'),
        ('{} or {"a": 1}', '{"a": 1}'),
        ("it is {}", "{}"),
        ('{thought: {"a": 1}}', '{"a": 1}'),
        ('You wrote {"q": 1}, so {"a": 2}', '{"a": 2}'),
        ('{"a": 1, "a": 2}', None),
        ('{"a": 1', None),
        ("{'a': 1}", None),
        ('{"a": NaN}', None),
        ("{" * 5000, None),
        ('{"a":' * 5000, None),
        ("", None),
    ],
)
def test_the_first_object_that_parses_and_is_no_quotation(answer: str, content: str | None) -> None:
    assert extract("json", answer, row('{"a": 1}', 'turn {"q": 1} around'), ()).content == content


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        ("2 + 2 = 4\n#### 4", "4"),
        ("#### 1,234", "1234"),
        ("so the answer is 42.", "42"),
        ("The answer is $42 dollars. See step 3", "42"),
        ("Answer: 12 apples", "12"),
        ("\\boxed{42}", "42"),
        ("so \\boxed{\\frac{1}{2}} of 8", "1/2"),
        ("\\boxed{-3} because 5", "-3"),
        ("She has $1,234.50 left.", "1234.50"),
        ("It is 3,000,000.", "3000000"),
        ("x = -5", "-5"),
        ("from 3-5", "5"),
        ("1/2 of it", "1/2"),
        ("2 + 3 = 5", "5"),
        ("first 1, then 7 apples, then 18,", "18"),
        ("no number", None),
        ("version 1.2.3", None),
        ("", None),
    ],
)
def test_the_result_that_is_stated(answer: str, result: str | None) -> None:
    assert extract("final-answer", answer, row(), ()).content == (None if result is None else f"#### {result}")


def test_only_a_line_of_its_own_is_in_form() -> None:
    assert extract("final-answer", "4\n#### 4", row(), ()).in_form
    assert not extract("final-answer", "The answer is 4", row(), ()).in_form


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("42", "42.00", True), ("$42", "42", True), ("1/2", "0.5", True), ("1,000", "1000", True), ("42", "43", False),
     ("-4", "4", False), ("4 or 5", "4", False), ("blue", "Blue.", True), ("blue", "red", False)],
)  # fmt: skip
def test_results_are_compared_as_numbers(one: str, other: str, same: bool) -> None:
    assert same_result(one, other) is same


@pytest.mark.parametrize(
    ("answer", "content", "in_form"),
    [
        ("order 17", "order 17", True),
        ("Order 17.", "Order 17.", True),
        ("Answer: order 17", "order 17", False),
        ("I believe it is order 17.", "order 17", False),
        ('"order 17"', "order 17", False),
        ("order 17 or order 18", "order 17 or order 18", False),
        ("ship it", "ship it", True),
        ("", None, False),
    ],
)
def test_exact_match(answer: str, content: str | None, in_form: bool) -> None:
    found = extract("exact-match", answer, row(), ("order 17", "order 18", "order 171"))
    assert (found.content, found.in_form) == (content, in_form)


def test_metrics_without_a_form_are_refused() -> None:
    with pytest.raises(InputError):
        extract("rouge-l", "text", row(), ())


WORDS = st.lists(
    st.sampled_from(["spam", "ham", "not", "The label is", "\n", ".", "**", '"', "####", "4", '{"a": 1}', "`", ","])
).map(" ".join)


@given(st.sampled_from(["accuracy", "exact-match", "json", "final-answer"]), st.data())
def test_what_is_right_as_it_stands_stays_right(name: str, data: st.DataObject) -> None:
    """And it never crashes, whatever is written."""
    others = {"json": ['{"a": 1}', '{"a": 2}'], "final-answer": ["#### 4", "x\n#### 5"]}
    references = others.get(name, ["spam", "ham", "4"])
    rows = [row(reference, index=n) for n, reference in enumerate(references)]
    answers = [data.draw(st.one_of(WORDS, st.text(), st.just(one.reference))) for one in rows]
    found = content_scores(name, answers, rows, known_answers(name, rows))
    for answer, one, content in zip(answers, rows, found, strict=True):
        assert content.value >= metric.score(name, answer.strip(), one).value
