"""Labels that differ in case or Unicode form only are named, and are one class only on request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.data.rows.test_preferences import recipe
from whet.data.prepare import Prepared, prepare
from whet.data.rows.label_forms import folded, groups
from whet.errors import DataError
from whet.model.base import load_tokenizer

CAFE = ("Caf\u00e9", "Cafe\u0301", "CAF\u00c9")


def written(path: Path, labels: list[Any]) -> str:
    rows = [{"text": f"What of {n} and {n * n} apples?", "label": label} for n, label in enumerate(labels)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def prepared(folder: Path, labels: list[Any], **keys: Any) -> Prepared:
    keys = {"data": written(folder / "rows.jsonl", labels), "split": {"near_duplicates": False}} | keys
    return prepare(recipe(**keys), load_tokenizer("nano"), cache=folder / "cache")


def test_forms_of_one_label_are_those_that_people_read_alike() -> None:
    assert len({folded(name) for name in CAFE}) == 1
    assert folded(" Order\u00a0 Status ") == folded("order status") and folded("\uff50\uff4f\uff53") == folded("Pos")
    assert folded("stra\u00dfe") == folded("STRASSE") and folded("cafe") != folded("caf\u00e9"), "an accent is a letter"
    assert folded("po\u00ads") == folded("pos\u200b") == "pos" and folded("\u0130ptal") == folded("iptal")
    assert folded("don\u2019t \u2013 go") == folded("don't - go") and folded("sign-up") != folded("sign up")
    assert groups({"pos": 2, "Pos": 5, "neg": 9, "NEG": 1}) == [["neg", "NEG"], ["Pos", "pos"]]


LABELS = ["pos", "neg", "Pos", "neg", "pos"] * 12


@pytest.mark.parametrize("method", ["classify", "sft"])
def test_they_are_named_with_their_rows_and_the_fix(tmp_path: Path, method: str) -> None:
    for _ in range(2):  # the second time from the cache
        found = prepared(tmp_path, LABELS, method=method)
        (note,) = [note for note in found.notes if "form only" in note]
        assert "'pos' (24) and 'Pos' (12)" in note and "join_labels: true" in note and "neg" not in note
        assert {row.label for row in found.test_rows} <= {"pos", "Pos", "neg"}


def test_on_request_they_are_one_class_named_by_the_commonest_form(tmp_path: Path) -> None:
    found = prepared(tmp_path, LABELS, method="classify", join_labels=True)
    assert {name for target in found.targets.values() if isinstance(target, list) for name in target} == {"pos", "neg"}
    assert any("are one class" in note for note in found.notes)
    words = prepared(tmp_path, LABELS, method="sft", join_labels=True)
    assert "Pos" not in {row.reference for row in words.test_rows}


def test_a_list_of_labels_and_a_test_file_are_looked_at_too(tmp_path: Path) -> None:
    many = {"kind": "classify", "task": "multi-label"}
    found = prepared(tmp_path, [["pos", "x"], ["x"], ["POS", "pos"]] * 12, method=many, join_labels=True)
    assert {name for target in found.targets.values() if isinstance(target, list) for name in target} == {"pos", "x"}
    test = tmp_path / "test.jsonl"
    rows = [{"text": f"How are {n} pears and {n * 7} plums?", "label": "Neg" if n % 2 else "pos"} for n in range(9)]
    test.write_text("".join(json.dumps(row) + "\n" for row in rows))
    plain = ["pos", "neg"] * 20
    apart = prepared(tmp_path, plain, method="classify", test=str(test))
    assert any("'neg' (20) and 'Neg' (4)" in note for note in apart.notes), "a class that no test row could have"
    joined = prepared(tmp_path, plain, method="classify", test=str(test), join_labels=True)
    assert {row.label for row in joined.test_rows} == {"pos", "neg"}


def test_labels_of_one_form_are_not_named_and_there_is_nothing_to_join_without_labels(tmp_path: Path) -> None:
    assert not any("form only" in note for note in prepared(tmp_path, ["pos", "neg"] * 20, method="classify").notes)
    numbers = {"kind": "classify", "task": "regression"}
    with pytest.raises(DataError, match="no labels that could be joined"):
        prepared(tmp_path, [1, 2, 3, 4] * 9, method=numbers, join_labels=True)
