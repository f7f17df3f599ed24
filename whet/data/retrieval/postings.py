"""Which passages hold which words: the part of an index that never changes, of which one that changes is made.

bm25s computes every score when an index is built, so one more document means building all of it again. Here the counts
are kept, and scores are computed when something is asked, from the statistics of all parts together: the number of
passages, their mean length, and how many of them hold a word. The result is, bit for bit, what bm25s gives for one
index of the same passages (tests/data/retrieval/test_postings.py), however they are spread over parts.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from whet.data.retrieval.retrievers import K1, B, words_of

COMMON, MOST_COMMON = 0.05, 64
"""A word in more than this share of the passages has its weights remembered, of so many words: 4 bytes a passage."""


@dataclass(frozen=True, slots=True)
class Postings:
    """W words, P passages, and E pairs of a word and a passage that holds it, sorted by word."""

    vocabulary: dict[str, int]
    starts_W: np.ndarray
    """Where the pairs of each word begin; one more than there are words."""
    passage_E: np.ndarray
    count_E: np.ndarray
    """How often the word stands in the passage."""
    length_P: np.ndarray
    """Words of each passage, with repetition."""

    def pairs(self, word: str) -> tuple[np.ndarray, np.ndarray] | None:
        """The passages that hold a word, and how often each does; None where none does."""
        column = self.vocabulary.get(word)
        if column is None:
            return None
        inside = slice(self.starts_W[column], self.starts_W[column + 1])
        return self.passage_E[inside], self.count_E[inside]


@dataclass(frozen=True, slots=True)
class LivePart:
    """A part, and which of its passages still count."""

    postings: Postings
    live_P: np.ndarray
    whole: bool = False
    """Do all of them count? Only said where it is known."""

    def holding(self, passage_E: np.ndarray) -> int:
        """How many of these count."""
        return len(passage_E) if self.whole else int(np.count_nonzero(self.live_P[passage_E]))


def postings_of(texts: Iterable[str]) -> Postings:
    vocabulary: dict[str, int] = {}
    columns, counts, held, lengths = array("i"), array("i"), array("i"), array("i")
    for text in texts:
        found = Counter(words_of(text))
        columns.extend([vocabulary.setdefault(word, len(vocabulary)) for word in found])
        counts.extend(found.values())
        held.append(len(found))
        lengths.append(found.total())

    passage_E = np.repeat(np.arange(len(held), dtype=np.int32), _numbers(held))
    return _sorted(vocabulary, _numbers(columns), passage_E, _numbers(counts), _numbers(lengths))


def merged(parts: Sequence[LivePart]) -> Postings:
    """One part of the passages that still count, in their order."""
    vocabulary: dict[str, int] = {}
    columns, passages, counts, lengths, before = [], [], [], [], 0
    for part in parts:
        held = part.postings
        column_W = np.array(
            [vocabulary.setdefault(word, len(vocabulary)) for word in held.vocabulary], np.int32
        )  # in the order of their numbers, as they were given out
        place_P = np.cumsum(part.live_P, dtype=np.int32) - 1 + before
        live_E = part.live_P[held.passage_E]
        columns.append(np.repeat(column_W, np.diff(held.starts_W))[live_E])
        passages.append(place_P[held.passage_E[live_E]])
        counts.append(held.count_E[live_E])
        lengths.append(held.length_P[part.live_P])
        before += int(np.count_nonzero(part.live_P))

    return _sorted(vocabulary, *(_joined(each) for each in (columns, passages, counts, lengths)))


@dataclass(frozen=True, slots=True)
class Statistics:
    """What BM25 must know of all passages: their number, and their words."""

    passages: int
    words: int

    def damping(self, length_P: np.ndarray) -> np.ndarray:
        """What a count is held against, by the length of its passage. The order of the operations is bm25s's."""
        return K1 * ((1 - B) + B * length_P / np.float64(max(1, self.words) / max(1, self.passages)))


def statistics_of(parts: Sequence[LivePart]) -> Statistics:
    passages = sum(int(np.count_nonzero(part.live_P)) for part in parts)
    return Statistics(passages, sum(int(part.postings.length_P[part.live_P].sum(dtype=np.int64)) for part in parts))


Weights = list[tuple[int, np.ndarray, np.ndarray]]
"""(number of a part, passages that hold a word, what it adds to each)."""


class Scorer:
    """The parts of one moment, and what all of them say together. Threads may share it."""

    def __init__(self, parts: Sequence[LivePart]) -> None:
        self.parts = tuple(parts)
        self.statistics = statistics_of(parts)
        self.damping = [self.statistics.damping(part.postings.length_P) for part in parts]
        self.ends = np.cumsum([0, *(len(part.live_P) for part in parts)]).tolist()
        self._common: dict[str, Weights] = {}
        """Of words that stand in many passages, and so in many questions."""

    def scores(self, query: str) -> np.ndarray:
        """The BM25 score of each passage of all parts, one after the other, in float32 as bm25s adds them; 0 for one
        that does not count any more."""
        scores_P = np.zeros(self.ends[-1], np.float32)
        by_part = [scores_P[begin:end] for begin, end in zip(self.ends, self.ends[1:], strict=False)]
        weights: dict[str, Weights] = {}
        for word in words_of(query):
            if word not in weights:
                weights[word] = self._weights(word)
            for part, passage_E, weight_E in weights[word]:
                by_part[part][passage_E] += weight_E

        for into_P, part in zip(by_part, self.parts, strict=True):
            if not part.whole:
                into_P[~part.live_P] = 0
        return scores_P

    def _weights(self, word: str) -> Weights:
        known = self._common.get(word)
        if known is not None:
            return known

        pairs = [part.postings.pairs(word) for part in self.parts]
        holding = sum(part.holding(pair[0]) for part, pair in zip(self.parts, pairs, strict=True) if pair)
        if holding == 0:
            return []
        rarity = np.float32(math.log(1 + (self.statistics.passages - holding + 0.5) / (holding + 0.5)))
        found: Weights = []
        for number, pair in enumerate(pairs):
            if pair:
                passage_E, count_E = pair[0], pair[1].astype(np.float32)
                share_E = count_E / (self.damping[number][passage_E] + count_E)
                found.append((number, passage_E, (rarity * share_E).astype(np.float32)))

        if holding > COMMON * self.statistics.passages and len(self._common) < MOST_COMMON:
            self._common[word] = found
        return found


def _sorted(
    vocabulary: dict[str, int], column_E: np.ndarray, passage_E: np.ndarray, count_E: np.ndarray, length_P: np.ndarray
) -> Postings:
    order = np.argsort(column_E, kind="stable")
    starts_W = np.zeros(len(vocabulary) + 1, np.int64)
    np.cumsum(np.bincount(column_E, minlength=len(vocabulary)), out=starts_W[1:])
    return Postings(vocabulary, starts_W, passage_E[order], count_E[order], length_P)


def _numbers(held: array[int]) -> np.ndarray:
    return np.array(held, np.int32)


def _joined(arrays: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.zeros(0, np.int32), *arrays])
