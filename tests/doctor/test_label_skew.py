"""What always answering the most common label scores is told, before it can look like a gain."""

from __future__ import annotations

import pytest

from whet.doctor.checks.balance.label_skew import LabelSkew
from whet.types import Finding, Row


def found(*labels: str) -> list[Finding]:
    check = LabelSkew()
    for n, label in enumerate(labels):
        messages = [{"role": "user", "content": f"message {n}"}, {"role": "assistant", "content": label}]
        check.see(Row(n, f"d:{n}", messages, label=label))
    return list(check.findings())


def test_a_label_of_most_rows_is_told_with_what_the_constant_scores() -> None:
    (finding,) = found(*["ham"] * 85, *["spam"] * 15)
    assert finding.severity == "info" and "always answering 'ham' is right in 85.0%" in finding.message
    assert "85 of 100 rows" in finding.message


def test_a_rare_label_is_named_beside_it() -> None:
    (finding,) = found(*["ham"] * 95, *["spam"] * 5)
    assert finding.severity == "warning" and "'spam' 5; always answering 'ham' is right in 95.0%" in finding.message
    assert finding.rows == [95, 96, 97, 98, 99]


@pytest.mark.parametrize("most", [50, 69])
def test_balanced_labels_are_no_finding(most: int) -> None:
    assert found(*["ham"] * most, *["spam"] * (100 - most)) == []
