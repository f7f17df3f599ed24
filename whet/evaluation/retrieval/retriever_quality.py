"""How good a retriever is by itself: recall@k and the mean reciprocal rank, with intervals.

A row's passages are those that it names, or else those that its reference answer stands in word for word. The second
is an assumption: a short answer also stands in passages that do not answer the question, and a free one in none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whet.data.retrieval.documents import Passage
from whet.data.retrieval.retrievers import Hit, words_of
from whet.errors import DataError
from whet.stats.paired import mean_interval

DEPTHS = (1, 3, 5, 10)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over rows with its 95% interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class RetrieverFacts:
    recall: dict[int, Estimate]
    """By depth k: share of rows that have one of their passages among the first k hits."""
    mrr: Estimate
    """Mean of 1 / rank of the first passage that is the row's, 0 where none of the hits is (Voorhees 1999)."""
    rows: int
    """Rows that were counted: those with a passage of their own."""
    without: int
    """Rows that have none among the documents."""
    by: str
    """How a row's passages are known, in words."""


def measure_retriever(
    hits: Sequence[Sequence[Hit]], own: Sequence[set[str]], by: str, depths: Sequence[int] = DEPTHS
) -> RetrieverFacts:
    """`hits` of each row, at least as deep as the deepest of `depths`, and the ids of the row's own passages.

    Raises DataError when no row has a passage.
    """
    ranks = [_rank(found, wanted) for found, wanted in zip(hits, own, strict=True) if wanted]
    if not ranks:
        what = "no row has a passage of its own among the documents, so the retriever cannot be measured"
        raise DataError(what, fix="bring the documents that hold the answers, or name each row's passage in a column")

    recall = {}
    for depth in depths:
        recall[depth] = _estimate([float(rank is not None and rank <= depth) for rank in ranks])

    mrr = _estimate([_reciprocal(rank) for rank in ranks])
    return RetrieverFacts(recall, mrr, len(ranks), len(own) - len(ranks), by)


def passages_with_answer(references: Sequence[str], passages: Sequence[Passage]) -> tuple[list[set[str]], str]:
    """Ids of the passages that contain the reference as a run of whole words."""
    texts = [(passage.id, f" {' '.join(words_of(passage.text))} ") for passage in passages]
    own = []
    for reference in references:
        wanted = f" {' '.join(words_of(reference))} "
        own.append({name for name, text in texts if wanted.strip() and wanted in text})
    return own, "passages in which the reference answer stands word for word"


def _rank(hits: Sequence[Hit], wanted: set[str]) -> int | None:
    return next((rank for rank, hit in enumerate(hits, start=1) if hit.passage.id in wanted), None)


def _reciprocal(rank: int | None) -> float:
    if rank is None:
        return 0.0
    return 1 / rank


def _estimate(values: list[float]) -> Estimate:
    return Estimate(sum(values) / len(values), *mean_interval(values))
