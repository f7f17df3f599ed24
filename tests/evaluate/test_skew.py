"""Classes one by one, against scikit-learn, and which of them are lost."""

from __future__ import annotations

import random

import pytest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score, precision_score, recall_score
from statsmodels.stats.proportion import proportion_confint

from whet.evaluate.skew import class_facts, confusion, lost_classes, state_lost, tell_lost


def ones(names: list[str]) -> list[list[str]]:
    return [[name] for name in names]


@pytest.mark.parametrize("seed", range(5))
def test_the_figures_are_scikit_learns(seed: int) -> None:
    pick = random.Random(seed)
    wanted = pick.choices("abcd", (50, 20, 5, 1), k=200)
    named = [one if pick.random() < 0.7 else pick.choice(["a", "b", "c", "d", "no label"]) for one in wanted]
    found, labels = class_facts(ones(wanted), ones(named)), sorted(set(wanted))
    assert found["macro_f1"] == pytest.approx(f1_score(wanted, named, labels=labels, average="macro", zero_division=0))
    assert found["balanced_accuracy"] == pytest.approx(recall_score(wanted, named, labels=labels, average="macro"))
    known = [one if one in labels else "a" if there != "a" else "b" for one, there in zip(named, wanted, strict=True)]
    of_known = class_facts(ones(wanted), ones(known))
    assert of_known["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(wanted, known))
    for name, entry in found["labels"].items():
        recall = recall_score(wanted, named, labels=[name], average="macro", zero_division=0)
        precision = precision_score(wanted, named, labels=[name], average="macro", zero_division=0)
        assert entry["recall"] == pytest.approx(recall) and (entry["precision"] or 0) == pytest.approx(precision)
        wilson = proportion_confint(entry["found"], entry["rows"], method="wilson")
        assert entry["recall_interval"] == pytest.approx(wilson, abs=1e-9)
    matrix = confusion(wanted, known)
    assert [row[:-1] for row in matrix["rows"][:-1]] == confusion_matrix(
        wanted, known, labels=matrix["classes"][:-1]
    ).tolist()


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
