"""What a check is. It sees every row once, in order, and then says what it found; nothing holds the rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from whet.data.refused import RowRefused
from whet.data.rows.row_format import RowFormat
from whet.doctor.analysis.near_duplicates import NearDuplicates
from whet.recipe.schema import Recipe
from whet.types import Finding, Row, Severity

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MOST_ROWS = 100
"""Rows that a finding names; its count says how many there are."""
HELD_OUT = ("validation", "test")
"""The parts that nothing is learned from."""
ORDER: tuple[Severity, ...] = ("error", "warning", "info")


def numbered(row: int) -> str:
    """A row's place where its file is not known."""
    return f"row {row + 1}"


@dataclass(frozen=True, slots=True)
class CheckContext:
    """What a check may ask about beside the rows."""

    recipe: Recipe
    tokenizer: PreTrainedTokenizerBase
    context: int | None
    """The longest row in tokens that the base can see."""
    part_of: Callable[[int], str]
    """A row's index to "trained", "validation", "test" or "dropped"."""
    reason_of: Callable[[int], str]
    """A row's index to the reason why it was dropped; empty for the others."""
    shape: RowFormat | None = None
    """Of the data; None where its rows are as they are in the file."""
    against: tuple[str, ...] = ()
    """Benchmark files whose rows must not be learned."""
    where_of: Callable[[int], str] = numbered
    """A row's index to its place, for people."""
    kin: NearDuplicates = field(default_factory=NearDuplicates)
    """Which rows are nearly the same: found once for all checks."""
    test_clusters: tuple[int, ...] = ()
    """How many rows each cluster of test rows has; empty where none is known."""


class Check(ABC):
    """One thing that can be wrong with data. An instance serves for one examination.

    The docstring of its module is its page: a line with what it is, then Why (with the source), Example, Fix and Sure.
    """

    code: ClassVar[str]
    """Stable: programs and people look it up."""

    where_of: Callable[[int], str] = staticmethod(numbered)
    """A row's index to its place, for people."""

    def begin(self, setting: CheckContext) -> None:
        """Called once before the first row, where the whole setting is known; a check must work without it."""
        self.where_of = setting.where_of

    @abstractmethod
    def see(self, row: Row) -> None:
        """Look at one usable row."""

    def see_refused(self, index: int, refusal: RowRefused) -> None:  # noqa: B027  most checks do not care
        """Look at one row that cannot be used, counted from 0."""

    @abstractmethod
    def findings(self) -> list[Finding]:
        """What was found in all rows that were seen; empty where nothing is wrong."""

    def drops(self) -> list[int]:
        """The rows, of those that were seen, that `--fix` leaves out."""
        return []

    def fix(self, text: str) -> str:
        """The text without the fault; the same text where nothing is wrong. `--fix` mends every text of every row."""
        return text

    def __call__(self, rows: Iterable[Row]) -> list[Finding]:
        """The findings of these rows."""
        for row in rows:
            self.see(row)
        return self.findings()

    def finding(self, severity: Severity, message: str, rows: list[int], fix: str) -> Finding:
        return Finding(self.code, severity, message, rows[:MOST_ROWS], len(rows), fix)


class RowCheck(Check):
    """A check whose work on a row needs no other row: workers do it, and what they found is gathered here, in order."""

    @abstractmethod
    def inspect(self, row: Row) -> Any:
        """What is to be said of the row: small, with a pickle, None for nothing. It must not change the check."""

    @abstractmethod
    def record(self, index: int, where: str, found: Any) -> None:
        """Keep what `inspect` gave for the row with this index and place."""

    def see(self, row: Row) -> None:
        found = self.inspect(row)
        if found is not None:
            self.record(row.index, row.where, found)


class LeakCheck(Check):
    """A check of what learned rows give away. `whet tune` makes these, too, and gives its verdict once more without the
    test rows that are given away."""

    @abstractmethod
    def leaked_test_rows(self) -> set[int]:
        """The test rows, of those that were seen, that rows to be learned give away."""


def gravest_first(checks: Iterable[Check]) -> list[Finding]:
    """The findings of checks that have seen their rows."""
    findings: list[Finding] = []
    for check in checks:
        findings += check.findings()
    return sorted(findings, key=lambda finding: (ORDER.index(finding.severity), -finding.count))
