"""Dates in the answers that are written in another way than nearly all others: 03/04/2026 among 2026-04-03.

Why: the model writes both, in no order that a program or a reader could know, and 03/04 is two different days; that is
why there is a standard for dates that machines exchange (RFC 3339). What the answers look like is learned from few
examples (Zhou et al. 2023, arXiv 2305.11206).

Example:
    {"prompt": "When does it ship?", "completion": "On 2026-04-03."}
    {"prompt": "And the other?", "completion": "On 3 April 2026."}

Fix: write all dates in one way.

Sure: of the way they are written, yes. Told where at least four in five of the rows that have dates have one and the
same way, and others have another.
"""

from __future__ import annotations

import re
from collections import defaultdict

from whet.doctor.check import RowCheck
from whet.doctor.text_checks import answers_of, count_phrase
from whet.types import Finding, Row

MAIN = 0.8
FEW = 20
MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|"
    r"July?|Aug(?:ust)?|Sep(?:t(?:ember)?)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\.?"
)
STYLES = {
    "2026-04-30": r"(?P<iso>(?<![\d-])(?:1[89]|20)\d\d-(?:0[1-9]|1[0-2])-[0-3]\d(?![\d-]))",
    "30/04/2026": r"(?P<slash>(?<![\d/])[0-3]?\d/[0-3]?\d/(?:\d\d){1,2}(?![\d/]))",
    "30.04.2026": r"(?P<dots>(?<![\d.])[0-3]?\d\.[01]?\d\.(?:1[89]|20)\d\d(?![\d.]\d))",
    "2026/04/30": r"(?P<turned>(?<![\d/])(?:1[89]|20)\d\d/[01]?\d/[0-3]?\d(?![\d/]))",
    "30 April 2026": rf"(?P<day>\b[0-3]?\d(?:st|nd|rd|th)?(?: of)? {MONTH},? (?:1[89]|20)\d\d\b)",
    "April 30, 2026": rf"(?P<month>\b{MONTH} [0-3]?\d(?:st|nd|rd|th)?,? (?:1[89]|20)\d\d\b)",
}
PATTERN = re.compile(rf"(?=[\dJFMASOND])(?:{'|'.join(STYLES.values())})")
"""What every date begins with comes first: most places of a text are passed over at once."""
GROUPS: dict[str, str] = dict(zip(("iso", "slash", "dots", "turned", "day", "month"), STYLES, strict=True))
YEAR = re.compile(r"\d(?:[/.-]\d|(?<=1)[89]\d\d|(?<=2)0\d\d)")
"""Stands in every text that the pattern finds."""


class MixedDates(RowCheck):
    code = "mixed-dates"

    def __init__(self) -> None:
        self.rows: defaultdict[str, list[int]] = defaultdict(list)
        self.first: dict[str, str] = {}

    def inspect(self, row: Row) -> list[str] | None:
        found = set()
        for text in answers_of(row):
            if YEAR.search(text):
                for match in PATTERN.finditer(text):
                    found.add(GROUPS[match.lastgroup or ""])
        return sorted(found) or None

    def record(self, index: int, where: str, found: list[str]) -> None:
        for style in found:
            self.rows[style].append(index)
            self.first.setdefault(style, where)

    def findings(self) -> list[Finding]:
        dated = set[int]().union(*self.rows.values())
        if len(dated) < FEW or len(self.rows) < 2:
            return []

        main = max(self.rows, key=lambda style: len(self.rows[style]))
        if len(self.rows[main]) < MAIN * len(dated):
            return []
        others = set[int]().union(*(rows for style, rows in self.rows.items() if style != main))
        rows = sorted(others)
        listed = ", ".join(f"{style}: {where}" for style, where in self.first.items() if style != main)
        says = f"writes|write dates in another way than the others ({main}): {listed}"

        return [self.finding("warning", count_phrase(len(rows), says), rows, "write all dates in one way")]
