"""The held-out rows hold what no row to be learned holds: labels, words, or much longer answers.

Why: what a model was never shown it mostly cannot do, and the score then measures the gap and not the training. A shift
between training and test costs far more than the noise within them (Koh et al. 2020, WILDS, arXiv 2012.07421), and
models hardly write longer than they have learned to (Newman et al. 2020, arXiv 2010.07174).

What is measured: validation and test rows against the rows to be learned. A label that no learned row has; an input of
at least four different words of which half or more stand in no learned row; an answer more than one and a half times
as long as 99% of the learned ones, from 20 words on. Of the held-out rows, the first 10,000 are compared. Among few
rows many words are new by chance: inputs are named only where more of them are new than of the first 2,000 learned
inputs against all other learned ones (Fisher's exact test, 5%); lengths are compared from 100 learned rows on.

Example: your test file asks about invoices in French; all rows to be learned are in English.

Fix: collect rows like those named, or let the split choose the test part from the same data.

Sure: of the words, labels and lengths, yes.
"""

from __future__ import annotations

from array import array

import numpy as np
from scipy.stats import hypergeom

from whet.doctor.analysis.labels import LabelTally
from whet.doctor.analysis.row_texts import row_texts
from whet.doctor.analysis.tfidf import MOST_WORDS
from whet.doctor.analysis.topics import distinctive_words
from whet.doctor.check import Check, CheckContext
from whet.errors import are, count
from whet.types import Finding, Row

NEW_WORDS, FEWEST_WORDS = 0.5, 4
LONGER, PERCENTILE, FEWEST_LONG = 1.5, 99, 20
MOST_HELD_OUT, MOST_LEARNED, NAMED = 10_000, 2_000, 5
CHANCE = 0.05
FEWEST_LEARNED = 100
"""Below so many lengths their 99th percentile is the longest of them."""
_BITS = 22


class Uncovered(Check):
    code = "uncovered"

    def __init__(self) -> None:
        self.setting: CheckContext | None = None
        self.learned_words, self.in_two_rows = np.zeros(1 << _BITS, bool), np.zeros(1 << _BITS, bool)
        self.first_learned: list[np.ndarray] = []
        """Numbers of the words of the first learned inputs."""
        self.learned_lengths, self.learned = array("i"), set[int]()
        self.labels = LabelTally()
        self.held_out: list[tuple[int, np.ndarray, int, str]] = []
        """Index, numbers of the words of the input, words of the answer, and how the input begins."""

    def begin(self, setting: CheckContext) -> None:
        self.setting = setting

    def see(self, row: Row) -> None:
        if self.setting is None or not row.prompt:
            return

        part, said = self.setting.part_of(row.index), row_texts(row)
        if part == "dropped":
            return

        self.labels.add(row.index, said.label)
        number_W = (said.prompt_W >> np.uint64(64 - _BITS)).astype(np.int32)

        if part == "trained":
            self.in_two_rows[number_W[self.learned_words[number_W]]] = True
            self.learned_words[number_W] = True
            if len(self.first_learned) < MOST_LEARNED:
                self.first_learned.append(np.unique(number_W[:MOST_WORDS]))

            self.learned_lengths.append(len(said.answer_W))
            self.learned.add(row.index)
        elif len(self.held_out) < MOST_HELD_OUT:
            begins = said.prompt[:400]
            self.held_out.append((row.index, np.unique(number_W[:MOST_WORDS]), len(said.answer_W), begins))

    def findings(self) -> list[Finding]:
        if not self.held_out or not self.learned:
            return []
        found = [self._labels(), self._words(), self._lengths()]
        return [finding for finding in found if finding]

    def _labels(self) -> Finding | None:
        if not self.labels.few:
            return None
        code_L, index_L = self.labels.codes(), self.labels.indices()
        learned_L = np.array([index in self.learned for index in index_L.tolist()])

        new = np.setdiff1d(code_L[~learned_L], code_L[learned_L])
        if not len(new):
            return None
        names = ", ".join(repr(self.labels.names[label]) for label in new[:NAMED])
        rows = index_L[~learned_L & np.isin(code_L, new)].tolist()
        message = f"{count(len(new), 'label')} of held-out rows {are(len(new))} in no row to be learned: {names}"

        return self.finding("warning", message, rows, "collect rows of these labels, or remove them from the test")

    def _words(self) -> Finding | None:
        new_N = np.array([_is_new(self.learned_words, number_U) for _, number_U, _, _ in self.held_out])
        usual = sum(_is_new(self.in_two_rows, number_U) for number_U in self.first_learned)
        if by_chance(int(new_N.sum()), len(new_N), usual, len(self.first_learned)) > CHANCE:
            return None
        begins = [text for _, _, _, text in self.held_out]
        telling = ", ".join(distinctive_words(begins, new_N.astype(np.int64), 1))
        rows = [row[0] for row, new in zip(self.held_out, new_N, strict=True) if new]
        inputs = f"{count(len(rows), 'held-out input')} {are(len(rows))}"
        message = f"{inputs} made of words that no row to be learned has ({telling})"

        return self.finding("warning", message, rows, "collect rows like these to learn from")

    def _lengths(self) -> Finding | None:
        if len(self.learned_lengths) < FEWEST_LEARNED:
            return None
        usual = float(np.percentile(np.array(self.learned_lengths), PERCENTILE))
        bound = max(FEWEST_LONG, LONGER * usual)

        rows = [index for index, _, length, _ in self.held_out if length > bound]
        if not rows:
            return None
        answers = f"{count(len(rows), 'held-out answer')} {are(len(rows))}"
        message = f"{answers} longer than {bound:.0f} words; 99% of those to learn have up to {usual:.0f}"

        return self.finding("info", message, rows, "collect long answers too, or remove these from the test")


def _is_new(known: np.ndarray, number_U: np.ndarray) -> bool:
    """Whether half of the words of an input, or more, are not known."""
    new = len(number_U) - int(known[number_U].sum())
    return len(number_U) >= FEWEST_WORDS and new >= NEW_WORDS * len(number_U)


def by_chance(new: int, rows: int, usual: int, others: int) -> float:
    """One-sided p of Fisher's exact test: that so many of `rows` are new where `usual` of `others` are."""
    return float(hypergeom.sf(new - 1, rows + others, new + usual, rows))
