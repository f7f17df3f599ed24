"""What a check is. It sees every row once, in order, and then says what it found; nothing holds the rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar

from whet.data.refuse import RowRefused
from whet.types import Finding, Row, Severity

MOST_ROWS = 100
"""Rows that a finding names; its count says how many there are."""
ORDER: tuple[Severity, ...] = ("error", "warning", "info")


class Check(ABC):
    """One thing that can be wrong with data. An instance serves for one examination.

    The docstring of its module is its page: a line with what it is, then Why (with the source), Example, Fix and Sure.
    """

    code: ClassVar[str]
    """Stable: programs and people look it up."""

    @abstractmethod
    def see(self, row: Row) -> None:
        """Look at one usable row."""

    def see_refused(self, index: int, refusal: RowRefused) -> None:  # noqa: B027  most checks do not care
        """Look at one row that cannot be used, counted from 0."""

    @abstractmethod
    def findings(self) -> list[Finding]:
        """What was found in all rows that were seen; empty where nothing is wrong."""

    def __call__(self, rows: Iterable[Row]) -> list[Finding]:
        """The findings of these rows."""
        for row in rows:
            self.see(row)
        return self.findings()

    def finding(self, severity: Severity, message: str, rows: list[int], fix: str) -> Finding:
        return Finding(self.code, severity, message, rows[:MOST_ROWS], len(rows), fix)


def examine(rows: Iterable[tuple[int, Row | RowRefused]], checks: Iterable[Check]) -> list[Finding]:
    """The findings of all checks in one pass over (index, row or why it cannot be used); the gravest first."""
    checks = list(checks)
    for index, row in rows:
        for check in checks:
            if isinstance(row, Row):
                check.see(row)
            else:
                check.see_refused(index, row)
    found = [finding for check in checks for finding in check.findings()]
    return sorted(found, key=lambda finding: (ORDER.index(finding.severity), -finding.count))
