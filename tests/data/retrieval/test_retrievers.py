"""BM25 against its formula, dense retrieval and both joined with an encoder of ours, and what happens when there is
nothing to find."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from whet.data.retrieval.documents import Passage
from whet.data.retrieval.fusion import fused
from whet.data.retrieval.retrievers import BM25, K1, B, Both, Dense, words_of
from whet.data.retrieval.vectors import exact_nearness, unit_vectors
from whet.errors import DataError, RunError

TEXTS = [
    "The blue lamp stands in the kitchen.",
    "The lamp lamp is red.",
    "A green chair costs 40 coins, and the old table costs 90 coins.",
    "The harbour opens at nine.",
]
PASSAGES = [Passage(f"d#{n}", text, "d") for n, text in enumerate(TEXTS)]


def by_formula(query: str) -> list[float]:
    """Lucene's BM25, written out: idf = ln(1 + (N - n + 0.5) / (n + 0.5)), without the constant factor k1 + 1."""
    documents = [Counter(words_of(text)) for text in TEXTS]
    mean = sum(document.total() for document in documents) / len(documents)
    scores = [0.0] * len(documents)
    for word in words_of(query):
        holding = sum(word in document for document in documents)
        idf = math.log(1 + (len(documents) - holding + 0.5) / (holding + 0.5))
        for place, document in enumerate(documents):
            count = document[word]
            scores[place] += idf * count / (count + K1 * (1 - B + B * document.total() / mean))
    return scores


@pytest.mark.parametrize("query", ["Where is the red lamp?", "chair costs", "the the harbour", "table"])
def test_bm25_scores_are_those_of_the_formula(query: str) -> None:
    expected = by_formula(query)
    hits = BM25(PASSAGES).search([query], len(PASSAGES))[0]
    assert {hit.passage.id: hit.score for hit in hits} == pytest.approx(
        {f"d#{place}": score for place, score in enumerate(expected) if score > 0}, rel=1e-5
    )
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_a_question_without_a_shared_word_finds_nothing_and_ties_stand_in_order() -> None:
    retriever = BM25([Passage(f"x#{n}", f"same words here {n}", "x") for n in range(5)])
    assert retriever.search(["zebra", ""], 3) == [[], []]
    assert [hit.passage.id for hit in retriever.search(["words"], 3)[0]] == ["x#0", "x#1", "x#2"]


def test_of_equal_texts_the_first_is_found_and_takes_one_place() -> None:
    passages = [Passage(f"x#{n}", text, "x") for n, text in enumerate(["a b", "a c c", "a b", "a d d d"])]
    assert [hit.passage.id for hit in BM25(passages).search(["a"], 3)[0]] == ["x#0", "x#1", "x#3"]


def test_no_passages_or_passages_without_words_are_refused() -> None:
    with pytest.raises(DataError, match="no passages"):
        BM25([])
    with pytest.raises(DataError, match="no words"):
        BM25([Passage("a#1", "...", "a")])


def test_words_ignore_case_and_punctuation_and_cut_scripts_without_spaces() -> None:
    assert words_of("It's ＣＡＦÉ-9, don_t 東京!") == ["it", "s", "café", "9", "don", "t", "東", "京"]


class Letters:
    """Encodes a text as its letters' counts."""

    def encode_query(self, inputs: list[str], /) -> np.ndarray:
        return np.array([[text.lower().count(chr(97 + n)) for n in range(26)] for text in inputs], float)

    encode_document = encode_query


def test_dense_retrieval_ranks_by_cosine() -> None:
    passages = [Passage(name, text, "s") for name, text in (("a#1", "aab"), ("b#1", "bbbb"), ("c#1", "ac"))]
    hits = Dense(passages, Letters()).search(["ab"], 2)[0]
    assert [hit.passage.id for hit in hits] == ["a#1", "b#1"]
    assert [hit.score for hit in hits] == pytest.approx([3 / math.sqrt(10), 1 / math.sqrt(2)], abs=1e-3)


def test_of_equal_scores_the_first_passage_is_nearest_whatever_stands_beside_it() -> None:
    """Many passages with nearly the same vectors: which are found, and their scores, does not hang on their number."""
    random = np.random.default_rng(0)
    texts = ["".join(chr(97 + n) for n in random.integers(0, 26, 12)) for _ in range(3000)]
    passages = [Passage(str(n), text, "") for n, text in enumerate(texts)]
    whole = Dense(passages, Letters()).search(["abcdefgh", "zyx"], 30)
    for hits in whole:
        few = Dense([hit.passage for hit in hits], Letters())
        query = ["abcdefgh", "zyx"][whole.index(hits)]
        assert few.search([query], 30)[0] == sorted(hits, key=lambda hit: -hit.score)
        ties = [(-hit.score, int(hit.passage.id)) for hit in hits]
        assert ties == sorted(ties) and len({score for score, _ in ties}) < len(ties), "there are ties, in order"
        assert [hit.passage for hit in hits] == by_plain_sorting(passages, query, 30)


def by_plain_sorting(passages: list[Passage], query: str, count: int) -> list[Passage]:
    encode = Letters().encode_query
    unit = unit_vectors(encode, [passage.text for passage in passages])
    scores = exact_nearness(unit, unit_vectors(encode, [query])[0])
    order = sorted(range(len(passages)), key=lambda place: (-scores[place], place))
    return [passages[place] for place in order[:count]]


def test_both_joins_the_ranks_of_words_and_vectors() -> None:
    """By hand: 1 / (60 + rank) from each order that holds the passage; equal sums in the order of the passages."""
    held = {"a": "lamp zzz", "b": "pmal", "c": "plam zz", "d": "lamp lamp zq"}
    passages = [Passage(name, text, "") for name, text in held.items()]
    words = [hit.passage.id for hit in BM25(passages).search(["lamp"], 9)[0]]
    vectors = [hit.passage.id for hit in Dense(passages, Letters()).search(["lamp"], 9)[0]]
    assert words == ["d", "a"] and vectors == ["b", "d", "c", "a"]
    hits = Both(passages, Letters()).search(["lamp"], 3)[0]
    assert [hit.passage.id for hit in hits] == ["d", "a", "b"]
    assert [hit.score for hit in hits] == pytest.approx([1 / 61 + 1 / 62, 1 / 62 + 1 / 64, 1 / 61])
    assert Both(passages, Letters()).search(["lamp"], 1)[0] == hits[:1]
    assert fused([["y"], ["x"]], str, str, 2) == [("x", 1 / 61), ("y", 1 / 61)]


def test_vectors_that_are_none_are_refused() -> None:
    class Broken(Letters):
        def encode_document(self, inputs: list[str], /) -> np.ndarray:
            return np.full((len(inputs), 4), np.nan)

    with pytest.raises(RunError, match="no vectors"):
        Dense(PASSAGES, Broken())
