"""An index of documents that come, change and go while others search it.

A snapshot never changes: whoever holds one sees all documents as they were at one moment, never half of a change. A
change builds a small part beside the large ones and then puts a new snapshot in the place of the old; parts grow
together from time to time (`merge`), which changes no hit and no score. Passages are found as in training: BM25 over
the same words with the same scores to the last bit, equal scores in the order of the documents, equal texts once.
With an encoder they are found by its vectors, as `retrievers.Dense` does.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from whet.data.retrieval.documents import Passage
from whet.data.retrieval.postings import LivePart, Postings, Scorer, Statistics, merged, postings_of
from whet.data.retrieval.retrievers import Hit, SentenceEncoder, unit_vectors

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

    def mask(self, wanted: Callable[[Document], bool]) -> np.ndarray:
        """Which passages are of documents that are wanted."""
        sizes = [len(document.passages) for document in self.documents]
        return np.repeat(np.array([wanted(document) for document in self.documents], bool), sizes)


@dataclass(frozen=True, slots=True)
class FoundPassage:
    document: Document
    passage: Passage
    score: float


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

    def find(self, query: str, count: int, wanted: Callable[[Document], bool] | None = None) -> list[FoundPassage]:
        """The same with their documents; of those alone that are `wanted`."""
        if not self.parts:
            return []
        if self.encoder is None:
            scores_P, floor = self._scorer.scores(query), 0.0
        else:
            scores_P, floor = self._nearness(self.encoder, query), -np.inf
        if wanted is not None:
            scores_P[~np.concatenate([part.mask(wanted) for part in self.parts])] = floor
        return self._best(scores_P, np.flatnonzero(scores_P > floor), count)

    def _nearness(self, encoder: SentenceEncoder, query: str) -> np.ndarray:
        asked_D = unit_vectors(encoder.encode_query, [query])[0]
        found = []
        for part, live in zip(self.parts, self.live, strict=True):
            assert part.unit_PD is not None
            found.append(np.where(live.live_P, part.unit_PD @ asked_D, np.float32(-np.inf)))
        return np.concatenate(found)

    def _best(self, scores_P: np.ndarray, among: np.ndarray, count: int) -> list[FoundPassage]:
        """The best of these places: of equal scores in the order of the documents, of equal texts the first."""
        held, wanted = scores_P[among], 2 * count
        while True:
            chosen = among
            if wanted < len(among):
                chosen = among[held >= np.partition(held, len(among) - wanted)[len(among) - wanted]]
            best = self._unlike(scores_P, chosen.tolist(), count)
            if len(best) == count or len(chosen) == len(among):
                return best
            wanted *= 4

    def _unlike(self, scores_P: np.ndarray, places: list[int], count: int) -> list[FoundPassage]:
        ordered = []
        for place in places:
            part = bisect_right(self._scorer.ends, place) - 1
            document, number = self.parts[part].document(place - self._scorer.ends[part])
            ordered.append((-float(scores_P[place]), document.order, number, document))
        ordered.sort(key=lambda each: each[:3])

        found: dict[str, FoundPassage] = {}
        for negative, _, number, document in ordered:
            if len(found) == count:
                break
            passage = document.passages[number]
            found.setdefault(passage.text, FoundPassage(document, passage, -negative))
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
