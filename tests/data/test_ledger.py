"""The ledger: counts add up, and a budget that is exceeded says why."""

from __future__ import annotations

import pytest

from whet.data.ledger import Ledger
from whet.errors import DataError, ProofError


def filled(good: int, **bad: int) -> Ledger:
    ledger = Ledger()
    number = 0
    for _ in range(good):
        ledger.open(number, f"x:{number + 1}")
        ledger.close(number, "trained", tokens=10, supervised=4)
        number += 1
    for reason, count in bad.items():
        for _ in range(count):
            ledger.open(number, f"x:{number + 1}")
            ledger.drop(number, reason.replace("_", "-"), f"x:{number + 1}: because\n  fix: it")
            number += 1
    return ledger


def test_a_summary_adds_up() -> None:
    ledger = filled(8, too_long=2)
    ledger.open(10, "x:11")
    for row, tokens in ((10, 9), (0, 3), (9, 100)):  # the last one is dropped
        ledger.note_cut(row, tokens)
    ledger.close(10, "test", tokens=5, supervised=5)
    summary = ledger.summary()
    assert summary == {
        "rows_in": 11,
        "trained": 8,
        "held_out": {"validation": 0, "test": 1},
        "dropped": {"too-long": 2},
        "truncated": {"rows": 2, "tokens": 12},
        "supervised_tokens": 32,
        "tokens": 80,
    }
    ledger.check()
    lines = list(ledger.rows_jsonl())
    assert [line["row"] for line in lines] == list(range(11)) and lines[8]["reason"] == "too-long"
    assert [line["cut"] for line in lines] == [3, *[0] * 8, 100, 9]
    assert Ledger.restored(ledger.columns(), ledger.words()).summary() == summary


def test_a_row_without_a_fate_or_with_two_is_a_fault() -> None:
    ledger = filled(2)
    with pytest.raises(ProofError):
        ledger.close(0, "test")
    with pytest.raises(ProofError):
        ledger.close(99, "test")
    with pytest.raises(ProofError):
        ledger.open(0, "x:1")
    ledger.open(2, "x:3")
    with pytest.raises(ProofError, match="1 of 3 rows are counted nowhere"):
        ledger.check()


def test_the_budget_names_reasons_examples_and_its_key() -> None:
    ledger = filled(95, too_long=3, empty_answer=2)
    ledger.enforce_budget(0.05)
    with pytest.raises(DataError) as raised:
        ledger.enforce_budget(0.01)
    message = str(raised.value)
    assert "5 of 100 rows (5.0%)" in message and "drop_budget: 0.05" in message
    assert message.index("3 x too-long, for example x:96: because") < message.index("2 x empty-answer")


def test_what_whet_drops_to_protect_the_test_does_not_count() -> None:
    ledger = filled(50, duplicate_of_test=50)
    ledger.enforce_budget(0.0)
    assert ledger.summary()["dropped"] == {"duplicate-of-test": 50}
    with pytest.raises(DataError, match="1 of 101 rows"):
        filled(50, duplicate_of_test=50, too_long=1).enforce_budget(0.0)
