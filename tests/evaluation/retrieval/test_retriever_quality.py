"""recall@k and MRR by hand, and which passages count as a row's own."""

from __future__ import annotations

import pytest

from bench.shown.raft import named_passages
from whet.data.retrieval.documents import Passage
from whet.data.retrieval.retrievers import Hit
from whet.errors import DataError
from whet.evaluation.retrieval.retriever_quality import measure_retriever, passages_with_answer
from whet.stats.paired import wilson

PASSAGES = [
    Passage("guide#1", "The harbour opens at nine.", "guide"),
    Passage("guide#2", "It closes at 19.", "guide"),
    Passage("faq.jsonl:3#1", "Tickets cost nine coins.", "faq.jsonl:3"),
]


def hits(*places: int) -> list[Hit]:
    return [Hit(PASSAGES[place], 1.0) for place in places]


def test_recall_and_reciprocal_rank_by_hand() -> None:
    own = [{"guide#1"}, {"guide#1"}, {"faq.jsonl:3#1"}, {"guide#2"}, set()]
    facts = measure_retriever([hits(0, 1), hits(1, 0), hits(0, 1, 2), hits(0), hits(0)], own, "by hand", (1, 2, 3))
    assert {depth: found.mean for depth, found in facts.recall.items()} == {1: 0.25, 2: 0.5, 3: 0.75}
    assert facts.mrr.mean == pytest.approx((1 + 1 / 2 + 1 / 3 + 0) / 4)
    assert (facts.rows, facts.without) == (4, 1)
    assert (facts.recall[1].low, facts.recall[1].high) == pytest.approx(wilson(1, 4))


def test_a_row_may_name_a_passage_its_document_or_its_source() -> None:
    own, by = named_passages(["guide#2", "guide", "faq.jsonl:3", "gone", None], PASSAGES)
    assert own == [{"guide#2"}, {"guide#1", "guide#2"}, {"faq.jsonl:3#1"}, set(), set()]
    assert "names" in by


def test_an_answer_is_looked_for_as_whole_words() -> None:
    own, by = passages_with_answer(["Nine", "9", "at NINE.", "", "19"], PASSAGES)
    assert own == [{"guide#1", "faq.jsonl:3#1"}, set(), {"guide#1"}, set(), {"guide#2"}]
    assert "reference" in by


def test_without_any_own_passage_nothing_is_claimed() -> None:
    with pytest.raises(DataError, match="no row has a passage"):
        measure_retriever([hits(0)], [set()], "by hand")
