"""Two rows of one question contradict each other: an answer wins here and loses there, or is marked good and bad.

Why: whatever the model learns, one of the two rows is wrong, so they cap what can be reached, in training and in the
held-out score alike; and when the split puts one on each side, the score even punishes what was learned. People who
compare answers agree with each other in about three of four pairs (73 to 77% in Ouyang et al. 2022, arXiv 2203.02155),
so some contradictions are usual where several people compared the same answers.

Example:
    {"prompt": "Hi?", "chosen": "Hello!", "rejected": "What."}
    {"prompt": "Hi?", "chosen": "What.", "rejected": "Hello!"}

Fix: decide which row is right and remove the other, or remove both. Where many remain, `method.label_smoothing` with
the share of wrong rows is the loss for it.

Sure: yes; prompt and answers are compared word for word, apart from case and spaces. Which of the rows is right, nobody
can tell from the data.
"""

from __future__ import annotations

from whet.doctor.analysis.pair_answers import answer_words, chosen_words, digest, rejected_words
from whet.doctor.check import Check
from whet.types import Finding, Row

Key = tuple[bytes, ...]


class Contradiction(Check):
    code = "contradiction"

    def __init__(self) -> None:
        self.pairs: dict[Key, tuple[int, str]] = {}
        """(prompt, better, worse) and the first row that says so."""
        self.marks: dict[tuple[Key, bool], tuple[int, str]] = {}
        self.rows: dict[int, None] = {}
        self.example = ""

    def see(self, row: Row) -> None:
        if row.rejected is None and row.desirable is None:
            return
        prompt = digest("\n".join(f"{m['role']}: {answer_words([m])}" for m in row.prompt))

        if row.rejected is not None:
            better, worse = digest(chosen_words(row)), digest(rejected_words(row))
            self._note(row, self.pairs.get((prompt, worse, better)), "prefers what the other rejects")
            self.pairs.setdefault((prompt, better, worse), (row.index, row.where))
        elif row.desirable is not None:
            key = (prompt, digest(chosen_words(row)))
            self._note(row, self.marks.get((key, not row.desirable)), "has the opposite mark")
            self.marks.setdefault((key, row.desirable), (row.index, row.where))

    def _note(self, row: Row, other: tuple[int, str] | None, how: str) -> None:
        if other is not None:
            self.rows |= {other[0]: None, row.index: None}
            self.example = self.example or f"{row.where} {how}: {other[1]}"

    def findings(self) -> list[Finding]:
        if not self.rows:
            return []
        message = f"{len(self.rows):,} rows contradict each other ({self.example})"
        fix = "decide which are right and remove the others; or, for pairs, set method.label_smoothing"
        return [self.finding("warning", message, list(self.rows), fix)]
