"""Rows without an answer: none, an empty one, or a place-holder ("TBD", "nan", "[insert answer]").

Why: a row without an answer teaches nothing and is dropped; a place-holder is learned as the answer. Both come from
exports that lost a column and from templates that nobody filled in; a well-known instruction set had hundreds of
them among its 52,000 rows (https://github.com/gururise/AlpacaDataCleaned lists empty and "N/A" outputs).

Example:
    {"prompt": "How do I reset the router?", "completion": "TBD"}

Fix: write the answers, or let `--fix` leave the rows out.

Sure: yes. A place-holder counts only where it is the whole answer and fewer than one row in a hundred has it: a label
may be called "nan".
"""

from __future__ import annotations

import re

from whet.data.refused import RowRefused
from whet.doctor.text_checks import ExampleCheck, answers_of, count_phrase
from whet.types import Finding, Row

CODES = ("empty-answer", "no-answer")
PLACE_HOLDER = re.compile(
    r"\W*(?:todo|tbd|tba|fixme|nan|null|undefined|n/?a|lorem ipsum.*|xxx+|\?+|\.{3}|<\w*(?:answer|response|output)\w*>|"
    r"[\[{(]+\s*(?:your |the |insert |add |write )*(?:answer|response|output|text)(?: here)?\s*[\])}]+)\W*",
    re.IGNORECASE | re.DOTALL,
)
LONGEST = 200
USUAL = 0.01
"""A share of rows from which on a word is a label and no place-holder."""


class MissingAnswer(ExampleCheck):
    code = "missing-answer"
    says = "has|have a place-holder for an answer"
    remedy = "write the answers, or leave the rows out: whet check DATA --fix OUT.jsonl"

    def __init__(self) -> None:
        super().__init__()
        self.empty: list[int] = []
        self.seen = 0

    def inspect(self, row: Row) -> str:
        answers = answers_of(row)
        return next((text for text in answers if len(text) <= LONGEST and PLACE_HOLDER.fullmatch(text)), "")

    def record(self, index: int, where: str, found: str) -> None:
        self.seen += 1
        if found:
            super().record(index, where, repr(found.strip()))

    def see_refused(self, index: int, refusal: RowRefused) -> None:
        if refusal.code in CODES:
            self.empty.append(index)

    def findings(self) -> list[Finding]:
        found = super().findings() if self._few() else []
        if self.empty:
            rows = count_phrase(len(self.empty), "has|have no answer")
            message = f"{rows}, and nothing can be learned of it; dropped"
            found.insert(0, self.finding("warning", message, self.empty, self.remedy))
        return found

    def drops(self) -> list[int]:
        return self.empty + (self.rows if self._few() else [])

    def _few(self) -> bool:
        return len(self.rows) <= max(1, USUAL * self.seen)
