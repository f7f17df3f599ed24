"""An index that changes finds what a new one would find, and a snapshot of it never changes."""

from __future__ import annotations

from random import Random

import pytest

from tests.data.retrieval.test_retrievers import Letters
from whet.data.retrieval.documents import Passage
from whet.data.retrieval.growing_index import MOST_PARTS, Document, GrowingIndex
from whet.data.retrieval.retrievers import BM25, Dense, Hit, retriever_of
from whet.recipe.sections.retrieval import By

RANDOM = Random(1)
WORDS = [f"w{int(RANDOM.paretovariate(0.6))}" for _ in range(300)]
QUERIES = [" ".join(RANDOM.choices(WORDS, k=4)) for _ in range(10)] + ["w1"]


def document(name: str, version: int = 0, pieces: int = 3) -> Document:
    random = Random(f"{name} {version}")
    texts = [" ".join(random.choices(WORDS, k=random.randint(1, 4))) for _ in range(pieces)]
    passages = tuple(Passage(f"{name}#{n}", text, name) for n, text in enumerate(texts, start=1))
    return Document(name, name, (name,), passages, {"version": version})


def passages(index: GrowingIndex) -> list[Passage]:
    return [passage for name in sorted(index.documents) for passage in index.documents[name].passages]


def grown(seed: int, *, merging: bool) -> GrowingIndex:
    """After changes of chance: documents added, changed and removed."""
    random, index = Random(seed), GrowingIndex()
    index.change([index.prepare([document(f"d{n:02}") for n in range(30)])])
    for version in range(1, 40):
        names = random.sample([f"d{n:02}" for n in range(40)], 2)
        gone = [name for name in random.sample(sorted(index.documents), 1) if name not in names]
        index.change([index.prepare([document(name, version) for name in names])], gone)
        if merging:
            index.merge()
    return index


@pytest.mark.parametrize("merging", [False, True])
def test_hits_and_scores_are_those_of_a_new_index(merging: bool) -> None:
    for seed in range(3):
        index = grown(seed, merging=merging)
        expected = BM25(passages(index)).search(QUERIES, 5)
        assert index.snapshot.search(QUERIES, 5) == expected
        assert any(expected)


def test_parts_stay_few_when_they_are_merged() -> None:
    assert len(grown(0, merging=True).snapshot.parts) <= MOST_PARTS < len(grown(0, merging=False).snapshot.parts)


def test_a_snapshot_keeps_what_it_had() -> None:
    index = GrowingIndex()
    index.change([index.prepare([document("a"), document("b")])])
    before, query = index.snapshot, document("a").passages[0].text
    hits = before.search([query], 3)
    index.change([index.prepare([document("a", 1)])], ["b"])
    index.merge()
    assert before.search([query], 3) == hits
    assert {hit.passage for hit in index.snapshot.search(QUERIES, 99)[0]} <= set(document("a", 1).passages)


def test_a_change_during_a_merge_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    from whet.data.retrieval import growing_index

    index = grown(0, merging=False)
    merged = growing_index.merged

    def meanwhile(*parts: object):
        index.change([index.prepare([document("d01", 99), document("new", 99)])], ["d02"])
        return merged(*parts)  # type: ignore[arg-type]

    index.change([index.prepare([document("d01", 98), document("d02", 98)])])
    monkeypatch.setattr(growing_index, "merged", meanwhile)
    assert index.merge()
    assert index.documents["d01"].attributes == {"version": 99} and "d02" not in index.documents
    assert index.snapshot.search(QUERIES, 5) == BM25(passages(index)).search(QUERIES, 5)


def lettered(name: str, version: int = 0) -> Document:
    """Texts of few letters, so that many are equally near, and some equal."""
    random = Random(f"{name} {version}")
    texts = ["".join(random.choices("abc", k=random.randint(1, 5))) + " w1" * random.randint(0, 1) for _ in range(3)]
    passages = tuple(Passage(f"{name}#{n}", text, name) for n, text in enumerate(texts, start=1))
    return Document(name, name, (name,), passages, {"version": version})


@pytest.mark.parametrize("by", ["dense", "both"])
def test_an_encoder_finds_what_a_new_index_would_find_with_the_same_scores(by: By) -> None:
    """After changes and merges of chance, bit for bit: also of equal scores, and of equal texts."""
    random, index = Random(0), GrowingIndex(Letters())
    index.change([index.prepare([lettered(f"d{n:02}") for n in range(60)])])
    queries, ties = ["ab", "c", "abca w1", "zz"], 0
    for version in range(1, 20):
        names = random.sample([f"d{n:02}" for n in range(80)], 2)
        index.change([index.prepare([lettered(name, version) for name in names])], random.sample(["d07", "d11"], 1))
        index.merge()
        new = retriever_of(passages(index), by, Letters())
        for query, expected in zip(queries, new.search(queries, 12), strict=True):
            found = index.snapshot.find(query, 12, by=by)
            assert [Hit(each.passage, each.score) for each in found] == expected
            ties += len(expected) - len({hit.score for hit in expected})
    assert by == "both" or ties > 20


def test_of_documents_that_are_wanted_the_nearest_are_found() -> None:
    index = GrowingIndex(Letters())
    index.change([index.prepare([lettered(f"d{n:02}", n % 3) for n in range(60)])])
    held = [lettered(f"d{n:02}", n % 3) for n in range(60) if n % 3 == 2]
    expected = Dense([passage for one in held for passage in one.passages], Letters()).search(["ab"], 7)[0]
    found = index.snapshot.find("ab", 7, lambda one: one.attributes["version"] == 2)
    assert [Hit(each.passage, each.score) for each in found] == expected


def test_only_wanted_documents_are_found_and_an_empty_index_finds_nothing() -> None:
    index = grown(0, merging=False)
    found = index.snapshot.find("w1", 50, lambda one: one.attributes["version"] > 30)
    scores = {each.passage.text: each.score for each in index.snapshot.find("w1", 500)}
    assert found and all(each.document.attributes["version"] > 30 for each in found)
    assert all(each.score == scores[each.passage.text] for each in found)
    assert GrowingIndex().snapshot.search(["w1"], 3) == [[]]
