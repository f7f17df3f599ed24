"""Scores from counts are those of bm25s to the last bit, however passages are spread over parts."""

from __future__ import annotations

from functools import cache
from random import Random

import numpy as np
import pytest

from whet.data.retrieval.documents import Passage
from whet.data.retrieval.postings import LivePart, Scorer, merged, postings_of
from whet.data.retrieval.retrievers import BM25, words_of

RANDOM = Random(0)
WORDS = [f"w{int(RANDOM.paretovariate(0.7))}" for _ in range(2000)]
TEXTS = [" ".join(RANDOM.choices(WORDS, k=RANDOM.randint(1, 60))) for _ in range(300)]
QUERIES = [" ".join(RANDOM.choices(WORDS, k=6)) for _ in range(20)] + ["w1 w2 w1 w1", "absent w1", "absent"]


@cache
def bm25s_index(texts: tuple[str, ...]):
    return BM25([Passage(f"d#{n}", text, "d") for n, text in enumerate(texts)])._index


def by_bm25s(texts: list[str], query: str) -> np.ndarray:
    index = bm25s_index(tuple(texts))
    known = [word for word in words_of(query) if word in index.vocab_dict]
    return index.get_scores(known) if known else np.zeros(len(texts), np.float32)


def live(texts: list[str], gone: set[int] | None = None) -> LivePart:
    return LivePart(postings_of(texts), np.array([n not in (gone or set()) for n in range(len(texts))]))


def scores(parts: list[LivePart], query: str) -> np.ndarray:
    """The second time from what was remembered of common words."""
    scorer = Scorer(parts)
    first = scorer.scores(query)
    assert np.array_equal(scorer.scores(query), first)
    return first


@pytest.mark.parametrize("cuts", [(), (150,), (1, 2, 299)])
def test_scores_are_those_of_one_index_in_any_number_of_parts(cuts: tuple[int, ...]) -> None:
    bounds = [0, *cuts, len(TEXTS)]
    parts = [live(TEXTS[a:b]) for a, b in zip(bounds, bounds[1:], strict=False)]
    for query in QUERIES:
        assert np.array_equal(scores(parts, query), by_bm25s(TEXTS, query))


def test_what_is_gone_counts_nowhere_and_merging_changes_no_score() -> None:
    gone = set(range(0, 120, 7))
    parts = [live(TEXTS[:120], gone), live(TEXTS[120:])]
    kept = [text for n, text in enumerate(TEXTS) if n not in gone]
    one = LivePart(merged(parts), np.ones(len(kept), bool))
    for query in QUERIES:
        expected = by_bm25s(kept, query)
        found = scores(parts, query)
        assert np.array_equal(found[[n for n in range(len(TEXTS)) if n not in gone]], expected)
        assert not found[sorted(gone)].any()
        assert np.array_equal(scores([one], query), expected)


def test_passages_without_words_are_scored_nothing() -> None:
    assert scores([live(["...", "?"])], "what").tolist() == [0, 0]
    assert scores([live(["...", "a b"])], "b").tolist() == by_bm25s(["...", "a b"], "b").tolist()
