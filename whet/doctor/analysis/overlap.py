"""Which rows share runs of words with texts that must not be learned.

The rule is that of GPT-3 (Brown et al. 2020, arXiv 2005.14165, appendix C): the run is as long as the 5th percentile of
the texts in words, within 8 to 13; case and punctuation do not count; a run that more than ten rows have is a common
phrase and is left out. A text shorter than the run counts where a row holds all of it, from four words on.

Shape legend: P places in all texts together, U distinct runs, W words of a row.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from whet.doctor.analysis.row_texts import hashed, ngrams, words

SHORTEST, LONGEST, PERCENTILE = 8, 13, 5
COMMON_ROWS = 10
FEWEST_WORDS = 4
BATCH = 256
"""Rows that are looked at together."""
_FILTER_BITS = 22
_BETWEEN = np.array([0x5EED], np.uint64)


@dataclass(frozen=True, slots=True)
class Overlap:
    """A text and a row that share words."""

    text: int
    row: int
    covered: float
    """Share of the text's words that are in runs which the row has too."""


class Overlaps:
    """Made of all texts of one source; then shown the rows."""

    def __init__(self, texts: Sequence[str]) -> None:
        split = [hashed(words(text)) for text in texts]
        self.lengths = np.array([len(hash_W) for hash_W in split], np.int64)
        self.size = run_length(self.lengths)
        run_P, self._text_P, self._at_P, self._length_P = self._runs(split)
        self._run_U, self._number_P = np.unique(run_P, return_inverse=True)
        self._sizes = np.unique(self._length_P).tolist()
        self._filter = np.zeros(1 << _FILTER_BITS, bool)
        self._filter[self._run_U >> np.uint64(64 - _FILTER_BITS)] = True
        self._rows_U = np.zeros(len(self._run_U), np.int32)
        self._found_run, self._found_row = array("q"), array("q")
        self._waiting: list[tuple[int, np.ndarray]] = []

    def add(self, index: int, hash_W: np.ndarray) -> None:
        """One row: its index and its words. No row may come twice."""
        self._waiting.append((index, hash_W))
        if len(self._waiting) == BATCH:
            self._look()

    def _look(self) -> None:
        """The waiting rows as one text, with a word between them that no text has."""
        parts = [part for _, hash_W in self._waiting for part in (hash_W, _BETWEEN)]
        index_B = np.array([index for index, _ in self._waiting], np.int64)
        row_W = np.repeat(np.arange(len(self._waiting)), [len(hash_W) + 1 for _, hash_W in self._waiting])

        self._waiting = []
        for size in self._sizes if parts else ():
            run_W = ngrams(np.concatenate(parts), size)
            at = np.flatnonzero(self._filter[run_W >> np.uint64(64 - _FILTER_BITS)])
            place = np.minimum(np.searchsorted(self._run_U, run_W[at]), len(self._run_U) - 1)
            same = self._run_U[place] == run_W[at]
            pairs = np.unique(np.stack([place[same], row_W[at[same]]]), axis=1)
            np.add.at(self._rows_U, pairs[0], 1)
            kept = self._rows_U[pairs[0]] <= COMMON_ROWS + BATCH  # of what is common already, no rows are kept
            self._found_run.extend(pairs[0][kept].tolist())
            self._found_row.extend(index_B[pairs[1][kept]].tolist())

    def found(self) -> list[Overlap]:
        """In the order of the texts, then of the rows."""
        self._look()
        shared_U = (self._rows_U > 0) & (self._rows_U <= COMMON_ROWS)
        run, row = np.array(self._found_run, np.int64), np.array(self._found_row, np.int64)
        kept = shared_U[run]
        order = np.argsort(run[kept], kind="stable")
        run, row = run[kept][order], row[kept][order]
        begin_U = np.searchsorted(run, np.arange(len(self._run_U) + 1))
        place_P = np.flatnonzero(shared_U[self._number_P])

        covered: dict[tuple[int, int], np.ndarray] = {}
        for place in place_P.tolist():
            text, number = int(self._text_P[place]), self._number_P[place]
            span = slice(self._at_P[place], self._at_P[place] + self._length_P[place])
            for holder in row[begin_U[number] : begin_U[number + 1]].tolist():
                covered.setdefault((text, holder), np.zeros(self.lengths[text], bool))[span] = True

        return [Overlap(text, holder, float(mask.mean())) for (text, holder), mask in sorted(covered.items(), key=_key)]

    def _runs(self, split: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Of each place: the run, its text, the word where it begins, and its length."""
        run, text, at, length = [], [], [], []
        for number, hash_W in enumerate(split):
            size = min(self.size, len(hash_W))
            if size < FEWEST_WORDS:
                continue

            found = ngrams(hash_W, size)
            run.append(found)
            text.append(np.full(len(found), number))
            at.append(np.arange(len(found)))
            length.append(np.full(len(found), size))

        empty = np.zeros(0, np.int64)
        joined = [np.concatenate(part) if part else empty for part in (run, text, at, length)]
        return joined[0].astype(np.uint64), joined[1], joined[2], joined[3]


def run_length(lengths: np.ndarray) -> int:
    """Words of a run, from the lengths of the texts in words."""
    if not len(lengths):
        return LONGEST
    return int(np.clip(np.percentile(lengths, PERCENTILE), SHORTEST, LONGEST))


def _key(item: tuple[tuple[int, int], np.ndarray]) -> tuple[int, int]:
    return item[0]
