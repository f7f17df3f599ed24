"""An index of documents that come, change and go while others search it.

A snapshot never changes: whoever holds one sees all documents as they were at one moment, never half of a change. A
change builds a small part beside the large ones and then puts a new snapshot in the place of the old; parts grow
together from time to time (`merge`), which changes no hit and no score. Passages are found as in training: BM25 over
the same words with the same scores to the last bit, equal scores in the order of the documents, equal texts once.
With an encoder they can also be found by its vectors, or by both, as `retrievers.Dense` and `Both` do: with the same
scores to the last bit, too.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from whet.data.retrieval.documents import Passage
from whet.data.retrieval.encoders.encoder import SentenceEncoder
from whet.data.retrieval.fusion import DEPTH, fused
from whet.data.retrieval.postings import LivePart, Postings, Scorer, Statistics, merged, postings_of
from whet.data.retrieval.retrievers import Hit, best_of
from whet.data.retrieval.vectors import SLACK, about_nearness, exact_nearness, unit_vectors
from whet.recipe.sections.retrieval import By

MOST_PARTS = 8
"""Beyond it small parts are merged: each costs a search some 20 microseconds a word."""
SMALL_SHARE = 0.25
"""Small parts that together are more than this of the largest are merged into it, and so is what is gone of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """One file and its passages, in one cut. A change is another one with the same `id`; each is given once."""

    id: str
    filename: str
    order: tuple[Any, ...]
    """Its place among all, by which equal scores are sorted."""
    passages: tuple[Passage, ...]
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    documents: tuple[Document, ...]
    first_D: np.ndarray
    """Where the passages of each document begin."""
    postings: Postings
    unit_PD: np.ndarray | None
    """Vectors of length 1, where an encoder finds the passages."""

    def __len__(self) -> int:
        return len(self.postings.length_P)

    def document(self, place: int) -> tuple[Document, int]:
        """The document of a passage, and the passage's number in it from 0."""
        number = bisect_right(self.first_D, place) - 1
        return self.documents[number], place - int(self.first_D[number])

    @property
    def vectors(self) -> np.ndarray:
        """Those of an index with an encoder, (P, D)."""
        assert self.unit_PD is not None
        return self.unit_PD

    def mask(self, wanted: Callable[[Document], bool]) -> np.ndarray:
        """Which passages are of documents that are wanted."""
        sizes = [len(document.passages) for document in self.documents]
        return np.repeat(np.array([wanted(document) for document in self.documents], bool), sizes)


@dataclass(frozen=True, slots=True)
class FoundPassage:
    document: Document
    passage: Passage
    score: float
    place: tuple[tuple[Any, ...], int]
    """By which equal scores are sorted: the order of the document, and the passage's number in it from 0."""


class Snapshot:
    """All documents at one moment. Searches of any number of threads may share it."""

    def __init__(self, parts: Sequence[Part], live: Sequence[np.ndarray], encoder: SentenceEncoder | None) -> None:
        self.parts = tuple(parts)
        self.live = tuple(
            LivePart(part.postings, live_P, bool(live_P.all())) for part, live_P in zip(parts, live, strict=True)
        )
        self.encoder = encoder
        self._scorer = Scorer(self.live)

    @property
    def statistics(self) -> Statistics:
        return self._scorer.statistics

    def search(self, queries: Sequence[str], count: int) -> list[list[Hit]]:
        """As every retriever: for each query at most `count` passages, best first."""
        return [[Hit(each.passage, each.score) for each in self.find(query, count)] for query in queries]

    def find(
        self, query: str, count: int, wanted: Callable[[Document], bool] | None = None, by: By | None = None
    ) -> list[FoundPassage]:
        """The same with their documents; of those alone that are `wanted`. `by`: of an index with an encoder, how they
        are found; its vectors, if nothing is said. Raises what the encoder raises."""
        if not self.parts:
            return []
        mask_P = None if wanted is None else np.concatenate([part.mask(wanted) for part in self.parts])
        match by or ("bm25" if self.encoder is None else "dense"):
            case "bm25":
                return self._by_words(query, count, mask_P)
            case "dense":
                return self._by_vectors(query, count, mask_P)
        depth = max(DEPTH, count)
        lists = self._by_words(query, depth, mask_P), self._by_vectors(query, depth, mask_P)
        best = fused(lists, lambda found: found.passage.text, lambda found: found.place, count)
        return [replace(found, score=score) for found, score in best]

    def _by_words(self, query: str, count: int, mask_P: np.ndarray | None) -> list[FoundPassage]:
        scores_P = self._scorer.scores(query)
        if mask_P is not None:
            scores_P[~mask_P] = 0
        among = np.flatnonzero(scores_P > 0)
        return self._best(scores_P[among], among, count, 0.0, lambda places: scores_P[places])

    def _by_vectors(self, query: str, count: int, mask_P: np.ndarray | None) -> list[FoundPassage]:
        assert self.encoder is not None, "this index holds no vectors"
        asked_D = unit_vectors(self.encoder.encode_query, [query])[0]
        units = [part.vectors for part in self.parts]
        held_P = np.concatenate([about_nearness(unit_PD, asked_D) for unit_PD in units])
        live_P = np.concatenate([part.live_P for part in self.live])
        among = np.flatnonzero(live_P if mask_P is None else live_P & mask_P)

        def exact(places: np.ndarray) -> np.ndarray:
            numbers = np.searchsorted(self._scorer.ends, places, "right") - 1
            inside = places - np.asarray(self._scorer.ends)[numbers]
            chosen = [units[number][place] for number, place in zip(numbers.tolist(), inside.tolist(), strict=True)]
            return exact_nearness(np.stack(chosen), asked_D) if chosen else np.zeros(0, np.float32)

        return self._best(held_P[among], among, count, SLACK, exact)

    def _best(
        self, held: np.ndarray, among: np.ndarray, count: int, slack: float, scores: Callable[[np.ndarray], np.ndarray]
    ) -> list[FoundPassage]:
        """The best of these places: of equal scores in the order of the documents, of equal texts the first."""
        return best_of(
            held, count, slack, lambda chosen: self._unlike(among[chosen].tolist(), scores(among[chosen]), count)
        )

    def _unlike(self, places: list[int], scores: np.ndarray, count: int) -> list[FoundPassage]:
        ordered = []
        for place, score in zip(places, scores.tolist(), strict=True):
            part = bisect_right(self._scorer.ends, place) - 1
            document, number = self.parts[part].document(place - self._scorer.ends[part])
            ordered.append((-score, (document.order, number), document))
        ordered.sort(key=lambda each: each[:2])

        found: dict[str, FoundPassage] = {}
        for negative, place, document in ordered:
            if len(found) == count:
                break
            passage = document.passages[place[1]]
            found.setdefault(passage.text, FoundPassage(document, passage, -negative, place))
        return list(found.values())


class GrowingIndex:
    """`snapshot` is what a search takes, once. Changes and merges may come from any thread."""

    def __init__(self, encoder: SentenceEncoder | None = None) -> None:
        self.encoder = encoder
        self.snapshot = Snapshot([], [], encoder)
        self.documents: dict[str, Document] = {}
        self._lock = threading.Lock()

    def prepare(self, documents: Sequence[Document]) -> Part:
        """The part that `change` takes: all the work of a change, done beside what is searched."""
        kept = [document for document in documents if document.passages]
        texts = [passage.text for document in kept for passage in document.passages]
        unit_PD = None
        if self.encoder is not None and texts:
            unit_PD = unit_vectors(self.encoder.encode_document, texts)
        return _part(kept, postings_of(texts), unit_PD)

    def change(self, added: Sequence[Part], removed: Iterable[str] = ()) -> None:
        """From now on with the documents of `added`, in the place of those with the same ids, and without `removed`:
        all at once."""
        with self._lock:
            current = dict(self.documents)
            for gone in removed:
                current.pop(gone, None)
            current |= {document.id: document for part in added for document in part.documents}
            touched = {gone.id for gone in self.documents.values() if current.get(gone.id) is not gone}
            self._put(self.snapshot, added, current, touched)

    def _put(self, old: Snapshot, added: Sequence[Part], current: dict[str, Document], touched: set[str]) -> None:
        parts, live = [], []
        for part, held in zip(old.parts, old.live, strict=True):
            live_P = held.live_P
            if any(document.id in touched for document in part.documents):
                live_P = live_P & part.mask(lambda document: current.get(document.id) is document)
            if live_P.any():
                parts.append(part)
                live.append(live_P)
        for part in added:
            if len(part):
                parts.append(part)
                live.append(np.ones(len(part), bool))
        self.documents, self.snapshot = current, Snapshot(parts, live, self.encoder)

    def merge(self) -> bool:
        """Joins parts where there are too many, or where much of one is gone; whether there was anything to join. The
        work is done beside what is searched and changed."""
        old = self.snapshot
        chosen = _to_merge(old)
        if not chosen:
            return False

        held = [(old.parts[place], old.live[place]) for place in chosen]
        documents, units = [], []
        for part, live in held:
            firsts = zip(part.documents, part.first_D, strict=True)
            documents += [document for document, first in firsts if live.live_P[first]]
            units.append(None if part.unit_PD is None else part.unit_PD[live.live_P])
        unit_PD = None if self.encoder is None else np.concatenate([unit for unit in units if unit is not None])
        joined = _part(documents, merged([live for _, live in held]), unit_PD)

        with self._lock:
            gone = {part for part, _ in held}
            now = self.snapshot
            kept = [(part, live.live_P) for part, live in zip(now.parts, now.live, strict=True) if part not in gone]
            kept.append((joined, joined.mask(lambda document: self.documents.get(document.id) is document)))
            self.snapshot = Snapshot([part for part, _ in kept], [live for _, live in kept], self.encoder)
        return True


def _to_merge(snapshot: Snapshot) -> list[int]:
    """Places of the parts that are to become one: all, the small ones, or none."""
    living = [int(np.count_nonzero(part.live_P)) for part in snapshot.live]
    if not living:
        return []
    largest = int(np.argmax(living))
    small = sum(living) - living[largest]
    gone = len(snapshot.parts[largest]) - living[largest]
    few = SMALL_SHARE * living[largest]
    if gone > few or (len(living) > MOST_PARTS and small > few):
        return list(range(len(living)))
    if len(living) > MOST_PARTS:
        return [place for place in range(len(living)) if place != largest]
    return []


def _part(documents: Sequence[Document], postings: Postings, unit_PD: np.ndarray | None) -> Part:
    sizes = [len(document.passages) for document in documents]
    first_D = np.cumsum([0, *sizes])[: len(sizes)]
    return Part(tuple(documents), first_D, postings, unit_PD)
