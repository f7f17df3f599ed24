"""The checks of preference data find what was planted, on the rows where it was planted, and nothing in clean rows."""

from __future__ import annotations

import math
from pathlib import Path
from random import Random

import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from tests.doctor.rows import examine, mark, pair
from whet.data.refused import RowRefused
from whet.data.survey import survey
from whet.doctor.check_registry import all_checks
from whet.doctor.checks.across_rows.contradiction import Contradiction
from whet.doctor.checks.across_rows.same_answer import SameAnswer
from whet.doctor.checks.balance.length_bias import LengthBias, sign_test, wilson
from whet.doctor.examination import examine_source
from whet.recipe.load import load_recipe
from whet.types import Row

PAIR_CHECKS = ("contradiction", "length-bias", "same-answer")
WORDS = "amber boat clock dune ember fern gate harp inn jar kite lamp moss nest oak pond quill reed sail tarn".split()


def clean(count: int, seed: int = 0) -> list[Row]:
    random = Random(seed)
    said = [" ".join(random.choices(WORDS, k=random.randint(4, 12))) for _ in range(2 * count)]
    return [pair(n, f"What of {n}?", f"{said[2 * n]} {n}.", f"{said[2 * n + 1]} no {n}.") for n in range(count)]


def test_clean_pairs_have_no_findings() -> None:
    for seed in range(5):
        assert examine(enumerate(clean(400, seed)), all_checks(only=PAIR_CHECKS)) == []
    assert examine(((n, mark(n, f"Q{n}", f"A{n}", n % 2 > 0)) for n in range(50)), all_checks(only=PAIR_CHECKS)) == []
    assert examine(enumerate([Row(0, "x:1", text="plain")]), all_checks(only=PAIR_CHECKS)) == []


def test_answers_that_differ_in_case_or_a_period_are_found() -> None:
    rows = clean(50)
    rows[7] = pair(7, "Where?", "In Paris.", "in  paris")
    rows[9] = pair(9, "Sign?", "!", "?")
    [finding] = SameAnswer()(rows)
    assert finding.rows == [7] and finding.count == 1 and "pairs.jsonl:8" in finding.message


def test_equal_answers_are_counted_though_they_are_dropped() -> None:
    rows = [(n, row) for n, row in enumerate(clean(20))]
    refused = [(20, RowRefused("same-answer", "the same")), (21, RowRefused("empty-answer", "empty"))]
    [finding] = examine([*rows, *refused], all_checks(only=PAIR_CHECKS))
    assert finding.code == "same-answer" and finding.rows == [20] and "dropped" in finding.message


def test_pairs_that_prefer_both_are_found_on_both_rows() -> None:
    rows = clean(50)
    rows[3] = pair(3, "Hi?", "Hello!", "What.")
    rows[30] = pair(30, "Hi? ", "what.", "Hello!")
    rows[31] = pair(31, "Hi there?", "What.", "Hello!")  # another question
    rows[32] = pair(32, "Hi?", "Hello!", "What.")  # agrees with row 3
    [finding] = Contradiction()(rows)
    assert sorted(finding.rows) == [3, 30, 32]
    assert "pairs.jsonl:31 prefers what the other rejects: pairs.jsonl:4" in finding.message


def test_an_answer_with_both_marks_is_found() -> None:
    rows = [mark(0, "Hi?", "Hello!", True), mark(1, "Hi?", "Hello!", False), mark(2, "Ho?", "Hello!", False)]
    [finding] = Contradiction()(rows)
    assert finding.rows == [0, 1]
    assert Contradiction()([rows[0], rows[0], rows[2]]) == [], "the same mark twice is no contradiction"


@pytest.mark.parametrize(("share", "severity"), [(0.5, None), (0.68, "info"), (0.9, "warning"), (1.0, "warning")])
@pytest.mark.parametrize("word", ["longer", "shorter"])
def test_length_that_tells_the_answers_apart_is_found(share: float, severity: str | None, word: str) -> None:
    rows = []
    for n in range(400):
        long, short = "a long answer of many words", "short"
        usual = n < share * 400
        chosen, rejected = (long, short) if usual == (word == "longer") else (short, long)
        rows.append(pair(n, f"Q{n}", chosen, rejected))
    rows.append(pair(400, "Q", "same", "emas"))
    found = LengthBias()(rows)
    assert [finding.severity for finding in found] == ([severity] if severity else [])
    if severity:
        assert found[0].count == share * 400 and f"is the {word} one in {100 * share:.0f}% of 400" in found[0].message


def test_few_pairs_prove_no_bias() -> None:
    assert LengthBias()([pair(n, f"Q{n}", "long answer", "short") for n in range(4)]) == []
    assert LengthBias()([]) == []


def test_the_interval_and_the_p_are_those_of_statsmodels_and_scipy() -> None:
    for hits, count in ((0, 5), (5, 5), (37, 60), (900, 1000)):
        low, high = proportion_confint(hits, count, method="wilson")
        assert wilson(hits, count) == pytest.approx((low, high), abs=1e-7)
        assert sign_test(hits, count) == pytest.approx(stats.binomtest(hits, count).pvalue, rel=1e-9)
    assert math.isclose(sign_test(10, 20), 1.0)


def test_the_gravest_findings_come_first() -> None:
    rows = [pair(n, f"Q{n}", "a much longer answer", "short") for n in range(60)]
    rows[1] = pair(1, "Hi?", "Hello!", "What.")
    rows[2] = pair(2, "Hi?", "What.", "Hello!")
    rows[5] = pair(5, "Where?", "Paris.", "paris")
    found = examine(enumerate(rows), all_checks(only=PAIR_CHECKS))
    assert [finding.code for finding in found] == ["length-bias", "contradiction", "same-answer"]


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("formats/dpo_en_demo.json", {}),
        ("formats/kto_en_demo.json", {}),
        ("raschka/instruction-data-with-preference.json", {"same-answer": 9}),
        ("hh_rlhf/harmless-base-test.jsonl.gz", {"same-answer": 3}),
    ],
)
def test_what_real_files_hold(data_dir: Path, file: str, expected: dict[str, int]) -> None:
    recipe = load_recipe(data_dir / file)
    checks = all_checks(only=PAIR_CHECKS)
    found = examine_source(recipe, survey(recipe.data, recipe, False).shape, checks)
    counts: dict[str, int] = {}
    for finding in found:
        counts[finding.code] = counts.get(finding.code, 0) + finding.count
    assert counts == expected
