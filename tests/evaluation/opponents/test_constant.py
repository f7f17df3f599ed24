"""Constants: chosen on training rows alone, the best there is for each metric, in bounded memory."""

from __future__ import annotations

import json
import random
from collections import Counter
from statistics import fmean as mean

import pytest

from whet.evaluation.metrics import scoring as metric
from whet.evaluation.metrics.rouge import rouge_l
from whet.evaluation.opponents import training_answers as seen_module
from whet.evaluation.opponents.constant import choose, constant, label, shortlist
from whet.evaluation.opponents.of_run import score_with
from whet.evaluation.opponents.training_answers import count_answers
from whet.types import Row

WORDS = "the a cat dog sat ran on under mat tree red blue and then it was".split()


def rows_of(answers: list[str]) -> list[Row]:
    return [
        Row(n, f"row {n}", [{"role": "user", "content": f"q {n}"}, {"role": "assistant", "content": answer}])
        for n, answer in enumerate(answers)
    ]


def test_the_most_frequent_label_as_it_is_written() -> None:
    rows = rows_of(["Ham"] * 5 + ["ham."] * 3 + ["spam"] * 7)
    chosen = choose(count_answers(rows, "accuracy", 0), "accuracy", score_with("accuracy", None))
    assert chosen.answer == "Ham" and "53.3% of 15 training rows" in chosen.how


def test_a_final_answer_is_counted_without_its_reasoning() -> None:
    rows = rows_of(["one way\n#### 5", "another way\n#### 5", "a third\n#### 7"])
    score = score_with("final-answer", None)
    chosen = choose(count_answers(rows, "final-answer", 0), "final-answer", score)
    assert [one.value for one in score([chosen.answer] * 3, rows)] == [1, 1, 0]


def test_of_json_the_most_frequent_values_win_where_they_meet() -> None:
    objects = [{"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 2}, {"a": 2, "b": 2}, {"a": 3, "b": 3}]
    rows = rows_of([json.dumps(one, sort_keys=bool(n % 2)) for n, one in enumerate(objects * 3)])
    chosen = choose(count_answers(rows, "json", 0), "json", score_with("json", None))
    assert json.loads(chosen.answer) == {"a": 1, "b": 2}


def test_the_constant_of_texts_is_as_good_as_the_best_of_all_answers() -> None:
    rng = random.Random(3)
    answers = [" ".join(rng.choices(WORDS, k=rng.randrange(3, 12))) for _ in range(60)]
    rows = rows_of(answers)
    chosen = choose(count_answers(rows, "rouge-l", 0), "rouge-l", score_with("rouge-l", None))
    means = sorted((mean([rouge_l(row.reference, answer) for row in rows]) for answer in answers), reverse=True)
    assert mean([rouge_l(row.reference, chosen.answer) for row in rows]) >= means[2]


def test_the_shortlist_begins_with_the_text_in_the_middle() -> None:
    assert shortlist(["x y", "a b c", "a b", "a b d", "z"])[0] == "a b"


def test_a_metric_of_ones_own_may_like_an_answer_that_no_row_has(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text("def short(answer, reference, row):\n    return -1.0 * len(answer)\n", "utf-8")
    place = f"{tmp_path / 'own.py'}:short"
    chosen = choose(count_answers(rows_of(["yes sir", "no"]), "exact-match", 0, every=True), "exact-match",
                    score_with(place, None), own=True)  # fmt: skip
    assert chosen.answer == "" and label("") == "always answering nothing"


def test_memory_is_bounded_and_the_sample_is_even(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen_module, "MOST_VALUES", 10)
    monkeypatch.setattr(seen_module, "SAMPLE", 50)
    found = count_answers(rows_of(["common"] * 5 + [f"text {n}" for n in range(5000)]), "exact-match", 0)
    assert len(found.answers) == 10 and found.rows == 5005 and len(found.sample) == 50
    indices = [row.index for row in found.sample]
    assert indices == sorted(indices) and 1500 < mean(indices) < 3500
    assert found == count_answers(rows_of(["common"] * 5 + [f"text {n}" for n in range(5000)]), "exact-match", 0)


def test_test_rows_do_not_choose() -> None:
    trained, tested = rows_of(["a"] * 3 + ["b"]), rows_of(["b"] * 10)
    score = score_with("accuracy", None)
    one = constant(choose(count_answers(trained, "accuracy", 0), "accuracy", score), tested, score)
    assert one.scores == [0.0] * 10 and one.label == 'always answering "a"'


def test_constant_data_is_no_gain_over_its_constant() -> None:
    rows = rows_of(["ok"] * 40)
    score = score_with("accuracy", None)
    one = constant(choose(count_answers(rows, "accuracy", 0), "accuracy", score), rows, score)
    assert one.scores == [1.0] * 40


def test_the_best_constant_beats_each_other_one() -> None:
    rng = random.Random(0)
    rows = rows_of(rng.choices(["a", "b", "c"], [5, 3, 2], k=200))
    best = choose(count_answers(rows, "accuracy", 0), "accuracy", score_with("accuracy", None)).answer
    right = {label: mean([metric.score("accuracy", label, row).value for row in rows]) for label in "abc"}
    assert right[best] == max(right.values()) == Counter(row.reference for row in rows).most_common(1)[0][1] / 200
