"""Classes one by one, against scikit-learn, and which of them are lost."""

from __future__ import annotations

import random

import pytest
from statsmodels.stats.proportion import proportion_confint

from whet.evaluation.metrics.per_class import class_facts, confusion, lost_classes, state_lost, tell_lost


def ones(names: list[str]) -> list[list[str]]:
    return [[name] for name in names]


def drawn(seed: int) -> tuple[list[str], list[str]]:
    pick = random.Random(seed)
    wanted = pick.choices("abcd", (50, 20, 5, 1), k=200)
    return wanted, [one if pick.random() < 0.7 else pick.choice(["a", "b", "c", "d"]) for one in wanted]


@pytest.mark.parametrize(
    ("seed", "macro_f1", "balanced", "matrix"),
    [
        (0, 0.5756410256410257, 0.6811819715643711, [[99, 10, 8, 14], [7, 40, 0, 6], [3, 0, 10, 1], [0, 1, 0, 1]]),
        (1, 0.555313937399499, 0.8100490196078431, [[102, 10, 10, 14], [2, 42, 4, 3], [2, 1, 8, 1], [0, 0, 0, 1]]),
        (2, 0.5626242583925151, 0.7212445887445887, [[94, 12, 10, 16], [1, 39, 5, 5], [3, 2, 9, 0], [0, 0, 1, 3]]),
    ],
)
def test_the_figures_are_scikit_learns(seed: int, macro_f1: float, balanced: float, matrix: list[list[int]]) -> None:
    """The numbers are those of scikit-learn 1.9.1: f1_score(average="macro"), balanced_accuracy_score and
    confusion_matrix."""
    wanted, named = drawn(seed)
    found = class_facts(ones(wanted), ones(named))
    assert (found["macro_f1"], found["balanced_accuracy"]) == pytest.approx((macro_f1, balanced), rel=1e-12)
    assert [row[:-1] for row in confusion(wanted, named)["rows"][:-1]] == matrix
    for place, entry in enumerate(found["labels"].values()):
        assert entry["recall"] == matrix[place][place] / sum(matrix[place])
        assert entry["precision"] == matrix[place][place] / sum(row[place] for row in matrix)
        wilson = proportion_confint(entry["found"], entry["rows"], method="wilson")
        assert entry["recall_interval"] == pytest.approx(wilson, abs=1e-9)


def test_an_answer_that_is_no_class_is_a_miss_and_no_class() -> None:
    found = class_facts(ones(["a", "a", "b"]), ones(["a", "nonsense", "nonsense"]))
    assert list(found["labels"]) == ["a", "b"] and found["balanced_accuracy"] == 0.25
    assert found["labels"]["b"]["precision"] is None and found["labels"]["b"]["precision_interval"] is None


def test_the_confusion_is_bounded_and_counts_every_row() -> None:
    wanted = [f"c{n % 50}" for n in range(500)]
    named = wanted[250:] + ["nothing"] * 250
    found = confusion(wanted, named)
    assert len(found["classes"]) == 21 and sum(map(sum, found["rows"])) == 500


def test_a_class_that_is_missed_is_lost_and_named_with_its_counts() -> None:
    wanted = ones(["ham"] * 68 + ["spam"] * 12)
    tuned = ones(["ham"] * 79 + ["spam"])
    lost = lost_classes(wanted, ones(["?"] * 80), tuned)
    assert [(one["label"], one["found"], one["rows"], one["worse"]) for one in lost] == [("spam", 1, 12, False)]
    assert state_lost(lost, 2) == " But classes are lost: it finds 1 of 12 'spam' (1.5% to 35.4%)."


def test_few_rows_are_no_evidence_and_half_found_is_not_lost() -> None:
    few = ones(["ham"] * 20 + ["spam"] * 4)
    assert lost_classes(few, few, ones(["ham"] * 24)) == []
    half = ones(["ham"] * 20 + ["spam"] * 20)
    assert lost_classes(half, ones(["?"] * 40), ones(["ham"] * 30 + ["spam"] * 10)) == []


def test_a_class_that_the_base_found_more_often_is_lost_and_a_caution() -> None:
    wanted = ones(["a"] * 50 + ["b"] * 50)
    base, tuned = ones(["a"] * 90 + ["b"] * 10), ones(["a"] * 35 + ["b"] * 65)
    facts = {"verdict": {"sentence": "Better."}, "tuned": class_facts(wanted, tuned)}
    tell_lost(facts, wanted, base, tuned)
    assert [one["label"] for one in facts["lost_classes"]] == ["a"]
    assert "35 of 50 'a' (56.2% to 80.9%, the base 50)" in facts["verdict"]["sentence"]
    assert facts["caution"] == "it finds 'a' less often than the base did"
    facts = {"verdict": {"sentence": "Better."}, "tuned": class_facts(wanted, wanted)}
    tell_lost(facts, wanted, base, wanted)
    assert facts["verdict"]["sentence"] == "Better." and facts["lost_classes"] == [] and "caution" not in facts
