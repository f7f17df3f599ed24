"""The chosen and the rejected answer of a pair are the same, or differ in case, spaces and punctuation alone.

Why: a pair of equal answers has a gradient of exactly zero, and is dropped. A pair that differs in a final period
teaches that period: it is the only thing that tells the answers apart, and dpo moves all of a pair's reward into what
tells them apart (Rafailov et al. 2023, arXiv 2305.18290, eq. 7).

Example:
    {"prompt": "Capital of France?", "chosen": "Paris.", "rejected": "paris"}

Fix: remove the rows, or write the answers that were meant. Often a step that made the rejected answers has failed and
returned its input.

Sure: yes; the texts are compared, not judged.
"""

from __future__ import annotations

import re

from whet.data.refused import RowRefused
from whet.doctor.analysis.pair_answers import chosen_words, rejected_words
from whet.doctor.check import Check
from whet.errors import count
from whet.types import Finding, Row

NOT_WORDS = re.compile(r"[\W_]+")


class SameAnswer(Check):
    code = "same-answer"

    def __init__(self) -> None:
        self.equal: list[int] = []
        self.alike: list[int] = []
        self.first = ""

    def see(self, row: Row) -> None:
        if row.rejected is not None and _bare(chosen_words(row)) == _bare(rejected_words(row)):
            self.alike.append(row.index)
            self.first = self.first or row.where

    def see_refused(self, index: int, refusal: RowRefused) -> None:
        if refusal.code == self.code:
            self.equal.append(index)

    def findings(self) -> list[Finding]:
        found = []
        if self.equal:
            message = f"{_pairs(self.equal)} equal answers, and nothing can be learned from them; they are dropped"
            found.append(self.finding("warning", message, self.equal, "remove the rows, or write the answers meant"))
        if self.alike:
            message = f"{_pairs(self.alike)} answers that differ in case, spaces or punctuation alone ({self.first})"
            found.append(self.finding("warning", message, self.alike, "remove them, or that detail is what is learned"))
        return found


def _pairs(rows: list[int]) -> str:
    return f"{count(len(rows), 'pair')} {'has' if len(rows) == 1 else 'have'}"


def _bare(words: str) -> str:
    """Letters and digits, without case; a text without any stands for itself."""
    return NOT_WORDS.sub("", words).casefold() or words.strip()
