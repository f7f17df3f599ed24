"""Which passages belong to a question: BM25 over words, or nearness in a sentence encoder's space.

Equal scores are in the order of the passages, so the same question always finds the same passages. Of passages with
the same text the first one is a hit.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from whet.data.retrieval.documents import Passage
from whet.errors import DataError, InputError
from whet.text.words import SEARCH_WORDS

K1, B = 1.5, 0.75
"""Lucene's form of BM25 with bm25s's defaults (Robertson and Zaragoza 2009, doi:10.1561/1500000019)."""
BATCH = 64
"""Texts that an encoder reads at a time."""


@dataclass(frozen=True, slots=True)
class Hit:
    passage: Passage
    score: float


class Retriever(Protocol):
    def search(self, queries: Sequence[str], count: int) -> list[list[Hit]]:
        """For each query at most `count` passages, best first."""
        ...


class SentenceEncoder(Protocol):
    """What Dense needs of a sentence encoder; sentence-transformers' `SentenceTransformer` is one. Encoders that were
    trained for search put different words before questions and passages, which is why there are two methods."""

    def encode_query(self, inputs: list[str], /, **options: Any) -> Any:
        """One vector a question, as an array of (questions, width)."""
        ...

    def encode_document(self, inputs: list[str], /, **options: Any) -> Any:
        """One vector a passage, as an array of (passages, width)."""
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
    """Passages whose vectors are nearest to the question's, by cosine. Needs sentence-transformers, or any `encoder`
    that is given. Raises InputError where neither is there."""

    def __init__(self, passages: Sequence[Passage], model: str = "", encoder: SentenceEncoder | None = None) -> None:
        self.passages = _some(passages)
        self._encoder = encoder or sentence_encoder(model)
        self._unit_PD = unit_vectors(self._encoder.encode_document, [passage.text for passage in self.passages])

    def search(self, queries: Sequence[str], count: int) -> list[list[Hit]]:
        if queries:
            scores_QP = unit_vectors(self._encoder.encode_query, list(queries)) @ self._unit_PD.T
        else:
            scores_QP = []
        return [_best(self.passages, scores_P, count) for scores_P in scores_QP]


def unit_vectors(encode: Callable[..., Any], texts: list[str]) -> np.ndarray:
    """Vectors of length 1, one a text."""
    found = np.asarray(encode(texts, batch_size=BATCH, show_progress_bar=False), np.float32)
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)


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


def sentence_encoder(model: str) -> SentenceEncoder:
    fix = "pip install 'whet[dense]', or leave dense retrieval out: BM25 needs nothing"
    try:
        from sentence_transformers import SentenceTransformer  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise InputError("dense retrieval needs the package sentence-transformers", fix=fix) from error

    if not model:
        raise InputError(
            "dense retrieval needs an encoder", fix="name one, as in sentence-transformers/all-MiniLM-L6-v2"
        )

    try:
        return SentenceTransformer(model)
    except (OSError, ValueError) as error:
        said = str(error).strip().splitlines()
        what = f"the sentence encoder cannot be opened: {said[0] if said else type(error).__name__}"
        raise InputError(what, value=model, fix="name a folder or a model of the Hub that is one") from error
