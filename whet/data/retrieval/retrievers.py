"""Which passages belong to a question: BM25 over words, nearness in a sentence encoder's space, or both.

Equal scores are in the order of the passages, so the same question always finds the same passages. Of passages with
the same text the first one is a hit.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from whet.data.retrieval.documents import Passage
from whet.data.retrieval.encoders.encoder import SentenceEncoder
from whet.data.retrieval.fusion import DEPTH, fused
from whet.data.retrieval.vectors import SLACK, about_nearness, exact_nearness, unit_vectors
from whet.errors import DataError
from whet.recipe.sections.retrieval import By
from whet.text.words import SEARCH_WORDS

K1, B = 1.5, 0.75
"""Lucene's form of BM25 with bm25s's defaults (Robertson and Zaragoza 2009, doi:10.1561/1500000019)."""


@dataclass(frozen=True, slots=True)
class Hit:
    passage: Passage
    score: float


class WithScore(Protocol):
    @property
    def score(self) -> float: ...


Scored = TypeVar("Scored", bound=WithScore)


class Retriever(Protocol):
    def search(self, queries: Sequence[str], count: int) -> list[list[Hit]]:
        """For each query at most `count` passages, best first."""
        ...


class BM25:
    """Passages that share words with the question, rare words above all. A passage that shares none is no hit."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        import bm25s

        self.passages = _some(passages)
        self._index = bm25s.BM25(k1=K1, b=B, method="lucene")
        words = [words_of(passage.text) for passage in self.passages]
        if not any(words):
            raise DataError("the passages hold no words", value=self.passages[0].text, fix="bring other documents")
        self._index.index(words, show_progress=False)

    def search(self, queries: Sequence[str], count: int) -> list[list[Hit]]:
        return [self._best(words_of(query), count) for query in queries]

    def _best(self, words: list[str], count: int) -> list[Hit]:
        known = [word for word in words if word in self._index.vocab_dict]
        if known:
            scores_P = self._index.get_scores(known)
        else:
            scores_P = np.zeros(len(self.passages), np.float32)
        return [hit for hit in _best(self.passages, scores_P, count) if hit.score > 0]


class Dense:
    """Passages whose vectors are nearest to the question's, by cosine. Every passage is a hit."""

    def __init__(self, passages: Sequence[Passage], encoder: SentenceEncoder) -> None:
        self.passages, self._encoder = _some(passages), encoder
        self._unit_PD = unit_vectors(encoder.encode_document, [passage.text for passage in self.passages])

    def search(self, queries: Sequence[str], count: int) -> list[list[Hit]]:
        return [self._nearest(unit_vectors(self._encoder.encode_query, [query])[0], count) for query in queries]

    def _nearest(self, asked_D: np.ndarray, count: int) -> list[Hit]:
        def ranked(places: np.ndarray) -> list[Hit]:
            scores = exact_nearness(self._unit_PD[places], asked_D)
            return _best([self.passages[place] for place in places], scores, count)

        return best_of(about_nearness(self._unit_PD, asked_D), count, SLACK, ranked)


class Both:
    """The hits by words and the hits by vectors, joined by their ranks."""

    def __init__(self, passages: Sequence[Passage], encoder: SentenceEncoder) -> None:
        self._retrievers = BM25(passages), Dense(passages, encoder)
        self._order = {id(passage): place for place, passage in enumerate(self._retrievers[0].passages)}

    def search(self, queries: Sequence[str], count: int) -> list[list[Hit]]:
        return [self._joined(query, count) for query in queries]

    def _joined(self, query: str, count: int) -> list[Hit]:
        depth = max(DEPTH, count)
        lists = [retriever.search([query], depth)[0] for retriever in self._retrievers]
        best = fused(lists, lambda hit: hit.passage.text, lambda hit: self._order[id(hit.passage)], count)
        return [Hit(hit.passage, score) for hit, score in best]


def retriever_of(passages: Sequence[Passage], by: By, encoder: SentenceEncoder | None) -> Retriever:
    """Raises DataError for no passages, RunError and InputError of an encoder that fails."""
    if by == "bm25":
        return BM25(passages)
    assert encoder is not None, "the recipe is refused without one"
    return (Dense if by == "dense" else Both)(passages, encoder)


def best_of(held_N: np.ndarray, count: int, slack: float, ranked: Callable[[np.ndarray], list[Scored]]) -> list[Scored]:
    """At most `count` hits, best first, of which `ranked` gives those among some places with their true scores. `held`
    are scores that are less than half of `slack` off: so few places are looked at, and none is missed."""
    every, wanted = np.arange(len(held_N)), 2 * count
    while True:
        places, least = every, -np.inf
        if wanted < len(every):
            least = float(np.partition(held_N, len(every) - wanted)[len(every) - wanted]) - slack
            places = every[held_N >= least]
        best = ranked(places)
        if len(places) == len(every) or (len(best) == count and best[-1].score >= least + slack / 2):
            return best
        wanted *= 4


def words_of(text: str) -> list[str]:
    """Words as a retriever and a measure of support compare them: NFKC, case folded, without punctuation."""
    return SEARCH_WORDS.findall(unicodedata.normalize("NFKC", text).casefold())


def _best(passages: Sequence[Passage], scores_P: np.ndarray, count: int) -> list[Hit]:
    found: dict[str, Hit] = {}
    for place in np.argsort(-scores_P, kind="stable").tolist():
        if len(found) == count:
            break
        found.setdefault(passages[place].text, Hit(passages[place], float(scores_P[place])))
    return list(found.values())


def _some(passages: Sequence[Passage]) -> list[Passage]:
    if not passages:
        fix = "bring documents: whet.data.retrieval.documents.read_documents"
        raise DataError("there are no passages to search", fix=fix)
    return list(passages)
