"""The same row stands in the data more than once: every message, tool and label is equal.

Why: each copy weighs as much as a new row, so the model learns it by heart. Language models trained on deduplicated
text write memorised passages ten times less often and need fewer steps for the same or better accuracy (Lee et al.
2021, arXiv 2107.06499).

Example:
    {"prompt": "Reset my password", "completion": "Go to Settings."}
    {"prompt": "Reset my password", "completion": "Go to Settings."}

Fix: leave the later copies out; `--fix` does. Copies that are meant as weights are better written as fewer, different
rows.

Sure: yes; equal to the last character.
"""

from __future__ import annotations

from whet.doctor.analysis.row_texts import row_texts
from whet.doctor.check import Check
from whet.errors import count
from whet.types import Finding, Row


class Duplicate(Check):
    code = "duplicate"

    def __init__(self) -> None:
        self.first: dict[bytes, int] = {}
        """Eight bytes of each content, so that 100,000 rows cost some megabytes."""
        self.copies: list[int] = []
        self.repeated: set[int] = set()
        self.example: tuple[str, int] | None = None

    def see(self, row: Row) -> None:
        first = self.first.setdefault(row_texts(row).content, row.index)
        if first != row.index:
            self.copies.append(row.index)
            self.repeated.add(first)
            self.example = self.example or (row.where, first)

    def findings(self) -> list[Finding]:
        if self.example is None:
            return []
        where, first = self.example

        if len(self.copies) == 1:
            are = "is an exact copy"
        else:
            are = "are exact copies"

        others = f"{count(len(self.repeated), 'other')} ({where} is {self.where_of(first)} again)"
        message = f"{count(len(self.copies), 'row')} {are} of {others}"
        return [self.finding("warning", message, self.copies, "leave the copies out")]

    def drops(self) -> list[int]:
        return self.copies
