"""Rows made by hand for the checks, and the checks run over them in this process."""

from __future__ import annotations

from collections.abc import Iterable

from whet.data.refused import RowRefused
from whet.doctor.check import Check, gravest_first
from whet.types import Finding, Row


def pair(index: int, prompt: str, chosen: str, rejected: str) -> Row:
    asked = {"role": "user", "content": prompt}
    sides = [[asked, {"role": "assistant", "content": words}] for words in (chosen, rejected)]
    return Row(index, f"pairs.jsonl:{index + 1}", sides[0], rejected=sides[1])


def mark(index: int, prompt: str, answer: str, desirable: bool) -> Row:
    messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    return Row(index, f"marks.jsonl:{index + 1}", messages, desirable=desirable, label="good" if desirable else "bad")


def answered(index: int, prompt: str, answer: str) -> Row:
    return Row(index, f"x:{index}", [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}])


def examine(rows: Iterable[tuple[int, Row | RowRefused]], checks: Iterable[Check]) -> list[Finding]:
    """The findings of all checks in one pass over (index, row or why it cannot be used); the gravest first."""
    checks = list(checks)
    for index, row in rows:
        for check in checks:
            if isinstance(row, Row):
                check.see(row)
            else:
                check.see_refused(index, row)
    return gravest_first(checks)
