"""Failures on validation rows: put in kinds, their training rows found, and what to do about each said rightly."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np
import pytest

from whet.evaluation.studies.failures import FailureCluster, ScoredAnswer, failures_of, is_failure
from whet.reports.collection_list import collection_list
from whet.types import Row

FRUIT = "apple pear plum fig date lime".split()
TOOLS = "hammer saw drill chisel plane file".split()
BOATS = "mast keel sail rudder anchor deck".split()


def row(index: int, prompt: str, answer: str) -> Row:
    messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    return Row(index, f"rows.jsonl:{index + 1}", messages)


def rows(random: Random, words: Sequence[str], answer: str, count: int, begin: int) -> list[Row]:
    return [row(begin + n, f"buy {' '.join(random.sample(words, 4))} please", answer) for n in range(count)]


@pytest.fixture
def made() -> tuple[list[ScoredAnswer], list[Row]]:
    """Fruit is learned well; of tools there are two rows; boats are learned with another answer."""
    random = Random(0)
    trained = rows(random, FRUIT, "food", 60, 0) + rows(random, TOOLS, "work", 2, 100)
    trained += rows(random, BOATS, "sport", 60, 200)
    asked = [ScoredAnswer(one, "food", 1.0) for one in rows(random, FRUIT, "food", 30, 1000)]
    asked += [ScoredAnswer(one, "food", 0.0) for one in rows(random, TOOLS, "work", 14, 2000)]
    asked += [ScoredAnswer(one, "sport", 0.0) for one in rows(random, BOATS, "travel", 9, 3000)]
    random.shuffle(asked)
    return asked, trained


def kinds(facts: dict) -> dict[str, dict]:
    """The kinds of failure by the list that their words come from."""
    found: dict[str, dict] = {}
    for kind in facts["kinds"]:
        [name] = [name for name, words in (("tools", TOOLS), ("boats", BOATS)) if set(kind["words"]) <= set(words)]
        merged = found.setdefault(name, {"failures": 0, "causes": set(), "collect": [], "alike": []})
        merged["failures"] += kind["failures"]
        merged["causes"].add(kind["cause"])
        merged["collect"].append(kind["collect"])
        merged["alike"].append(kind["alike"])
    return found


def test_missing_and_contradicted_rows_are_told_apart(made: tuple[list[ScoredAnswer], list[Row]]) -> None:
    facts = failures_of(*made)
    found = kinds(facts)
    assert (facts["validation_rows"], facts["failures"]) == (53, 23)
    assert found["tools"]["failures"] == 14 and found["tools"]["causes"] == {"missing"}
    assert max(found["tools"]["alike"]) <= 2 and all(30 <= number <= 60 for number in found["tools"]["collect"])
    assert found["boats"]["failures"] == 9 and found["boats"]["causes"] == {"contradicted"}
    assert set(found["boats"]["collect"]) == {0}


def test_enough_rows_like_them_means_that_more_do_not_help(made: tuple[list[ScoredAnswer], list[Row]]) -> None:
    asked, trained = made
    trained = trained + rows(Random(5), TOOLS, "work", 80, 5000)
    assert kinds(failures_of(asked, trained))["tools"]["causes"] == {"present"}


def test_a_nearly_equal_prompt_with_another_answer_is_a_contradiction(
    made: tuple[list[ScoredAnswer], list[Row]],
) -> None:
    _, trained = made
    trained = [*trained[:60], *(row(9000 + n, f"story number {n * n} of {n}", f"text {n} {n * 7}") for n in range(60))]
    asked = [ScoredAnswer(row(8000, "story number 49 of 7", "another text"), "text 7 49", 0.0)]
    [kind] = failures_of(asked, trained)["kinds"]
    assert kind["cause"] == "contradicted" and kind["rows"][0]["nearest"][0]["where"] == "rows.jsonl:9008"
    assert kind["rows"][0]["nearest"][0]["likeness"] == pytest.approx(1)
    asked = [ScoredAnswer(row(8000, "story number 49 of 7 with a green dragon", "another text"), "text 7 49", 0.0)]
    [kind] = failures_of(asked, trained)["kinds"]
    assert kind["cause"] == "missing", "near is not equal: another text may be right"


def test_nothing_depends_on_chance_and_no_failure_is_lost(made: tuple[list[ScoredAnswer], list[Row]]) -> None:
    asked, trained = made
    facts = failures_of(asked, trained)
    assert facts == failures_of(asked, trained)
    told = sorted(line["row"] for kind in facts["kinds"] for line in kind["rows"])
    assert told == sorted(one.row.index for one in asked if one.score < 0.5)
    assert [kind["failures"] for kind in facts["kinds"]] == sorted(
        (k["failures"] for k in facts["kinds"]), reverse=True
    )
    assert failures_of([one for one in asked if one.score == 1], trained)["kinds"] == []
    assert failures_of(asked[:5], []) is not None


@pytest.mark.parametrize(
    ("scores", "failed", "rule"),
    [
        ([0, 1, 1, 0.5], [0], "below 0.5"),
        ([0.9, 0.8, 0.95, 0.7, 1, 0.6, 0.85, 0.65], [3, 5, 7], "the lowest quarter, up to 0.7"),
        ([0.2, 0.1, 0.3, 0.05], [1, 3], "the lowest quarter, up to 0.1"),
        ([3.0, 7.5, -2.0, 7.5, 7.5], [0, 2], "the lowest quarter, up to 3"),
        ([0.3, 0.3, 0.3], [], "the lowest quarter, up to 0.3"),
    ],
)
def test_scores_with_parts_of_a_point_fail_by_their_distribution(
    scores: list[float], failed: list[int], rule: str
) -> None:
    found, said = is_failure(np.array(scores, float))
    assert np.flatnonzero(found).tolist() == failed and said == rule


def test_rows_to_classify_are_compared_by_their_classes() -> None:
    texts = [f"the number {n} of a thing" for n in range(40)]
    trained = [Row(n, f"x:{n}", [{"role": "user", "content": text}], target=["a"]) for n, text in enumerate(texts)]
    asked = [ScoredAnswer(Row(99, "x:99", [{"role": "user", "content": texts[3]}], target=["b"]), "a", 0.0)]
    [kind] = failures_of(asked, trained)["kinds"]
    assert kind["cause"] == "contradicted" and kind["rows"][0]["reference"] == "b"
    assert kind["rows"][0]["nearest"][0]["answer"] == "a"


@pytest.mark.parametrize(
    ("failures", "alike", "cause", "collect", "said"),
    [
        (14, 3, "missing", 40, "14 failures: orders, products; there are 3 training rows like them, fewer than for "
         "rows that succeed: collect about 40"),
        (14, 6, "present", 0, "14 failures: orders, products; there are 6 training rows like them, no fewer than for "
         "rows that succeed, so more will hardly help: read the answers, or train longer"),
        (2, 1, "contradicted", 0, "2 failures: orders, products; there is 1 training row like them, with other answers "
         "than the expected ones: correct one side or the other"),
        (1, 0, "missing", 10, "1 failure: orders, products; there are 0 training rows like it, fewer than for rows "
         "that succeed: collect about 10"),
    ],
)  # fmt: skip
def test_a_kind_is_said_in_one_sentence(failures: int, alike: int, cause: str, collect: int, said: str) -> None:
    kind = FailureCluster(["orders", "products"], failures, alike, cause, collect, [])  # type: ignore[arg-type]
    assert kind.sentence == said


def test_the_list_is_markdown_that_rows_cannot_break(made: tuple[list[ScoredAnswer], list[Row]]) -> None:
    asked = [ScoredAnswer(row(1, "a `tick`\n# and a heading", "x" * 500), "[link](http://x)", 0.0)]
    page = collection_list(failures_of(asked, made[1]) | {"metric": "accuracy"})
    assert page.startswith("# What to collect\n\n1 of 1 validation row fails (accuracy: below 0.5).")
    assert "\n# and" not in page and "'tick'" in page and "`[link](http://x)`" in page
    assert all(len(line) < 400 for line in page.splitlines())
