"""Scores of single answers and of whole sets, against rouge-score, sacrebleu and hand-counted cases."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score import rouge_scorer
from sacrebleu import sentence_chrf

from whet.errors import DataError, InputError, NonFiniteError
from whet.evaluation.metrics import scoring as metric
from whet.evaluation.metrics.rouge import common_subsequence, rouge_l
from whet.rewards.json_match import parse_object
from whet.types import Row


def row(reference: str, label: str | None = None, index: int = 0) -> Row:
    turns = [{"role": "user", "content": "question"}, {"role": "assistant", "content": reference}]
    return Row(index, f"data.jsonl:{index + 1}", turns, label=label)


def rows(*references: str) -> list[Row]:
    return [row(reference, index=index) for index, reference in enumerate(references)]


@pytest.mark.parametrize(
    ("test_rows", "name"),
    [
        (rows('{"a": 1}', '{"b": [2]}'), "json"),
        (rows('{"a": 1}', "[2]"), "accuracy"),
        (rows(*(["refund", "delivery"] * 10)), "accuracy"),
        (rows(*(f"order {i}" for i in range(20))), "exact-match"),
        (rows(*(f"{i} " + "long story " * 20 for i in range(20))), "rouge-l"),
        ([row("x" * 200, label="x" * 200)], "accuracy"),
        (rows("", ""), "nll"),
        ([Row(0, "a.txt:1", text="plain text")], "nll"),
        (rows("yes", ""), "nll"),
    ],
)
def test_the_metric_follows_from_the_references(test_rows: list[Row], name: str) -> None:
    chosen, reason = metric.choose(test_rows)
    assert chosen == name and reason


def test_no_rows_no_metric() -> None:
    with pytest.raises(DataError):
        metric.choose([])


@pytest.mark.parametrize(
    ("reference", "answer", "value"),
    [
        ('{"a": 1, "b": "x"}', '{"b":"x","a":1}', 1.0),
        ('{"a": 1}', '{"a": 1.0}', 1.0),
        ('{"a": 1}', '{"a": true}', 0.0),
        ('{"a": 0}', '{"a": false}', 0.0),
        ('{"a": "1"}', '{"a": 1}', 0.0),
        ('{"a": null}', "{}", 0.0),
        ('{"a": [1, 2]}', '{"a": [2, 1]}', 0.0),
        ('{"a": 1}', '{"a": 1, "b": 2}', 0.0),
        ('{"a": 1}', '```json\n{"a": 1}\n```', 0.0),
        ('{"a": 1}', '{"a": 1} is it', 0.0),
        ('{"a": 1}', '{"a": 2, "a": 1}', 0.0),
        ("{}", "{}", 1.0),
    ],
)
def test_json_is_compared_as_a_program_would(reference: str, answer: str, value: float) -> None:
    assert metric.score("json", answer, row(reference)).value == value


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", "NaN", '{"a": NaN}', "1" * 6000, "[" * 100_000, '{"a":' * 100_000, "\x00"]
)
def test_what_is_not_a_json_object_is_never_a_crash(text: str) -> None:
    assert parse_object(text) is None


def test_json_fields_are_counted_one_by_one() -> None:
    reference = '{"kind": "refund", "order": {"id": 7, "items": [1, 2]}, "urgent": false}'
    found = metric.score("json", '{"kind": "refund", "order": {"id": 7, "items": [1, 3]}, "extra": 1}', row(reference))
    assert found.value == 0 and found.details["valid"]
    assert found.details["fields"] == {"kind": True, "order": False, "urgent": False}
    assert found.details["field_f1"] == pytest.approx(2 * 3 / (5 + 5))  # kind, order.id, order.items.0


def test_json_summary_counts_validity_and_each_field() -> None:
    test_rows = rows('{"a": 1, "b": 2}', '{"a": 1, "b": 2}', '{"a": 1}')
    answers = ['{"a": 1, "b": 3}', "no", '{"a": 1}']
    found = [metric.score("json", answer, one) for answer, one in zip(answers, test_rows, strict=True)]
    summary = metric.aggregate("json", found, test_rows)
    assert summary["score"] == pytest.approx(1 / 3) and summary["validity"] == pytest.approx(2 / 3)
    assert summary["fields"] == {"a": pytest.approx(2 * 2 / (3 + 2)), "b": 0.0}
    assert summary["low"] < 1 / 3 < summary["high"]


@pytest.mark.parametrize("answer", ["Refund", " refund. ", "REFUND\n"])
def test_a_label_may_differ_in_case_space_and_final_period(answer: str) -> None:
    assert metric.score("accuracy", answer, row("refund")).value == 1
    assert metric.score("exact-match", answer, row("refund")).value == 1


@pytest.mark.parametrize("answer", ["refunds", "refund refund", "", "refund, delivery", "refund..."])
def test_another_answer_is_wrong(answer: str) -> None:
    assert metric.score("accuracy", answer, row("refund")).value == 0
    assert metric.score("exact-match", answer, row("refund")).value == 0


def test_composed_and_decomposed_letters_are_the_same_text() -> None:
    assert metric.score("exact-match", "cafe\u0301", row("caf\u00e9")).value == 1


def test_macro_f1_is_the_mean_over_the_labels_of_the_references() -> None:
    test_rows = rows("a", "a", "b", "c")
    found = [metric.score("accuracy", g, r) for g, r in zip(["a", "b", "b", "nonsense"], test_rows, strict=True)]
    summary = metric.aggregate("accuracy", found, test_rows)
    assert summary["score"] == 0.5
    assert summary["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)


def test_rouge_l_is_googles() -> None:
    scorer = rouge_scorer.RougeScorer(["rougeL"])
    pick = random.Random(0)
    for _ in range(200):
        a, b = (
            " ".join(pick.choices(["The", "cat,", "sat", "on", "a-mat", "x_1", "42", "!"], k=pick.randint(1, 30)))
            for _ in "ab"
        )
        expected = scorer.score(a, b)["rougeL"].fmeasure
        if any(character.isalnum() for character in a + b):
            assert rouge_l(a, b) == pytest.approx(expected), (a, b)


@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abc"), max_size=12))
def test_longest_common_subsequence_is_the_textbook_table(a: list[str], b: list[str]) -> None:
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
    assert common_subsequence(a, b) == table[-1][-1]


def test_rouge_l_reads_every_script() -> None:
    assert rouge_l("Größe der Bäume", "größe der bäume") == 1
    assert rouge_l("猫が好き", "犬が好き") == pytest.approx(0.75)
    assert rouge_l("!!!", "!!!") == 1 and rouge_l("!!!", "???") == 0 and rouge_l("word", "") == 0


def test_chrf_is_sacrebleus() -> None:
    value = metric.score("chrf", "the cat sat down", row("a cat sat down")).value
    assert value == pytest.approx(sentence_chrf("the cat sat down", ["a cat sat down"]).score / 100)
    assert (
        metric.score("chrf", "same", row("same")).value == pytest.approx(1)
        and metric.score("chrf", "", row("x")).value == 0
    )


def test_likelihood_is_the_probability_of_a_token() -> None:
    assert metric.likelihood(0.0, 5).value == 1
    assert metric.likelihood(6.931471805599453, 10).value == pytest.approx(0.5)
    one, two = metric.likelihood(1.0, 1), metric.likelihood(2.0, 9)
    assert metric.aggregate("nll", [one, two], rows("a", "b"))["nll_per_token"] == pytest.approx(0.3)
    with pytest.raises(NonFiniteError):
        metric.likelihood(float("nan"), 5)
    with pytest.raises(DataError):
        metric.likelihood(1.0, 0)


def test_a_row_without_a_reference_is_not_scored() -> None:
    with pytest.raises(DataError, match="data.jsonl:1"):
        metric.score("exact-match", "", row(""))


def test_an_unknown_metric_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match="exact-match"):
        metric.score("exact_match", "a", row("a"))


def test_scores_and_rows_must_match() -> None:
    with pytest.raises(DataError):
        metric.aggregate("exact-match", [], [])
    with pytest.raises(DataError):
        metric.aggregate("exact-match", [metric.RowScore(1.0)], rows("a", "b"))


def reasoning(answer: str) -> Row:
    return Row(0, "t:1", [{"role": "user", "content": "q"}, {"role": "assistant", "content": answer}])


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("2 + 2 = 4\n#### 4", 1.0),
        ("#### 5\nno, wait\n#### 4", 1.0),
        ("#### 4 apples", 0.0),
        ("it is 4", 0.0),
        ("####", 0.0),
    ],
)
def test_final_answer_is_what_follows_the_last_mark(answer: str, right: float) -> None:
    assert metric.score("final-answer", answer, reasoning("so 4\n#### 4")).value == right


def test_final_answer_reads_thousands_and_is_chosen_for_marked_references() -> None:
    rows = [reasoning("long\n#### 1,200"), reasoning("short\n#### 7")]
    assert metric.choose(rows)[0] == "final-answer"
    assert metric.score("final-answer", "#### 1200", rows[0]).value == 1.0
    scores = [metric.score("final-answer", text, row) for text, row in zip(["#### 1200", "seven"], rows, strict=True)]
    assert metric.aggregate("final-answer", scores, rows)["format"] == 0.5
