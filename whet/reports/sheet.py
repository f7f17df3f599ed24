"""A table of a report: on a wide screen rows and columns, on a narrow one a card a row (report_parts.html.j2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from whet.reports.chart import Span


@dataclass(slots=True)
class Cell:
    text: str
    note: str = ""
    """Smaller, under the text."""
    chip: str = ""
    """A tone of report.css (better, worse, kept, lost, ...): the text stands in a coloured frame."""
    figure: bool = False
    """A number: set to the right."""
    span: Span | None = None
    """Drawn as an interval on the axis of its column; the text is then what it says in words."""
    tone: str = ""
    """`base-side` or `tuned-side`, for a span."""
    shade: float = 0.0
    """0..1, how dark the cell is filled."""
    bold: bool = False
    empty: bool = False
    """Left out of a card."""


@dataclass(slots=True)
class Sheet:
    columns: list[str]
    """The heads. The first column holds the heads of the rows."""
    rows: list[list[Cell]]
    chosen: list[int] = field(default_factory=list)
    """Rows that stand out."""
    style: str = ""
    """Classes of report.css."""

    def is_figure(self, column: int) -> bool:
        """Whether the head of a column is set to the right, as its numbers are."""
        return bool(self.rows) and self.rows[0][column].figure


def figure(text: str, note: str = "") -> Cell:
    return Cell(text, note, figure=True)


def plain(*texts: str) -> list[Cell]:
    return [Cell(text) for text in texts]


def pairs(rows: Sequence[tuple[str, str]], heads: tuple[str, str]) -> Sheet | None:
    """Two columns of text; None without rows."""
    if rows:
        return Sheet(list(heads), [plain(key, value) for key, value in rows], style="keys")
    return None
