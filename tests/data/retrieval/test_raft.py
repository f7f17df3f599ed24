"""RAFT rows: the oracle's share, distractors that are none of the answer's, orders of chance, and the same form in the
test with really retrieved passages."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.encoders import static_encoder
from whet.data.prepare import prepare
from whet.data.refused import RowRefused
from whet.data.render.renderer import Renderer
from whet.data.retrieval.documents import read_documents
from whet.data.retrieval.encoders.opening import open_encoder
from whet.data.retrieval.raft import PassageLookup, with_passages_that_fit
from whet.data.retrieval.retrievers import retriever_of
from whet.errors import DataError, RecipeError
from whet.recipe.load import load_recipe
from whet.recipe.sections.retrieval import By, Retrieval
from whet.stats.paired import wilson
from whet.store.identity import identity
from whet.types import Row

TOWNS = [f"town{n}" for n in range(40)]


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    path = tmp_path / "towns.jsonl"
    values = [
        {"id": town, "text": f"The mayor of {town} is called M{n}. The mayor likes soup."}
        for n, town in enumerate(TOWNS)
    ]
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return path


def question(n: int, answer: str = "", passage: str | None = None) -> Row:
    turns = [
        {"role": "user", "content": f"Who is the mayor of {TOWNS[n % 40]}? Ask {n}."},
        {"role": "assistant", "content": answer or f"M{n % 40}"},
    ]
    return Row(n, f"q:{n}", turns, passage=passage)


def lookup(documents: Path, named: bool = False, seed: int = 0, **settings: object) -> PassageLookup:
    return PassageLookup(Retrieval.model_validate({"documents": str(documents), **settings}), seed, named)


def test_a_learned_row_has_its_oracle_in_the_asked_share_and_distractors_that_lack_the_answer(documents: Path) -> None:
    found = lookup(documents, oracle_share=0.7)
    places, oracles = [], 0
    for n in range(400):
        shown = found.to_learn(question(n))
        names = [passage.document for passage in shown.passages]
        assert len(set(names)) == 3 and shown.answerable
        assert (TOWNS[n % 40] in names) == shown.oracle
        assert shown.row.reference == f"M{n % 40}"
        assert all(passage.text in shown.row.messages[0]["content"] for passage in shown.passages)
        if shown.oracle:
            oracles += 1
            places.append(names.index(TOWNS[n % 40]))
    low, high = wilson(oracles, 400)
    assert low < 0.7 < high
    assert all(
        wilson(places.count(place), len(places))[0] < 1 / 3 < wilson(places.count(place), len(places))[1]
        for place in range(3)
    )


def test_the_seed_and_the_row_alone_decide(documents: Path) -> None:
    rows = [question(n) for n in range(40)]
    first = [lookup(documents).to_learn(row).row.messages for row in rows]
    assert first == [lookup(documents).to_learn(row).row.messages for row in rows[::-1]][::-1]
    assert first != [lookup(documents, seed=1).to_learn(row).row.messages for row in rows]


def test_a_refusal_is_learned_exactly_where_the_oracle_is_left_out(documents: Path) -> None:
    found = lookup(documents, refusal="not stated", oracle_share=0.5)
    for n in range(40):
        shown = found.to_learn(question(n))
        assert shown.row.reference == (f"M{n}" if shown.oracle else "not stated")
        assert shown.plain.reference == f"M{n}"


def test_a_named_passage_wins_over_words_and_none_means_no_passage(documents: Path) -> None:
    found = lookup(documents, named=True, oracle_share=1.0, refusal="not stated")
    shown = found.to_learn(question(3, passage="town7"))
    assert shown.oracle and "town7" in [passage.document for passage in shown.passages]
    absent = found.to_learn(question(3))
    assert absent.oracle is False and not absent.answerable and absent.row.reference == "not stated"
    with pytest.raises(RowRefused, match="not in the documents"):
        found.to_learn(question(3, passage="town99"))


def test_a_document_that_stands_twice_is_known_by_both_names(documents: Path) -> None:
    first = json.loads(documents.read_text().splitlines()[7])
    documents.write_text(documents.read_text() + json.dumps({**first, "id": "again"}) + "\n")
    shown = lookup(documents, named=True, oracle_share=1.0).to_learn(question(7, passage="again"))
    assert [passage.text for passage in shown.passages].count(first["text"]) == 1
    assert lookup(documents, named=True).in_use(question(7, passage="again")).oracle


def test_nothing_is_assumed_of_a_row_whose_answer_stands_nowhere(documents: Path) -> None:
    found = lookup(documents, refusal="not stated", oracle_share=0.0)
    shown = found.to_learn(question(3, answer="An explanation in words of its own."))
    assert shown.oracle is None and shown.row.reference.startswith("An explanation")
    assert shown.passages[0].document == "town3", "what the retriever finds, best first"


def test_an_asked_row_gets_what_the_retriever_finds_without_its_answer(documents: Path) -> None:
    found = lookup(documents)
    shown = found.in_use(question(5))
    assert [hit.passage for hit in found.retriever.search([shown.question], 3)[0]] == shown.passages
    assert shown.oracle and shown.passages[0].document == "town5"
    other = found.in_use(replace(question(5), messages=question(5, answer="M6").messages))
    assert other.passages == shown.passages, "the reference changes nothing of what is asked"


def test_prepared_rows_learn_with_raft_and_are_asked_with_the_retriever(
    documents: Path, tmp_path: Path, make_tokenizer
) -> None:
    tokenizer = make_tokenizer(None, [], eos="</s>")
    data = tmp_path / "rows.jsonl"
    rows = [
        {"prompt": f"{w} mayor of {town}?", "completion": f"M{n}"}
        for w in ("Name the", "Who is the", "Say the")
        for n, town in enumerate(TOWNS)
    ]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    keys = {"data": str(data), "retrieval": {"documents": str(documents), "oracle_share": 0.0, "passages": 2}}
    recipe = load_recipe({**keys, "split": {"near_duplicates": False}})
    for _ in range(2):  # fresh, and from the cache
        prepared = prepare(recipe, tokenizer, cache=tmp_path / "cache")
        assert len(prepared.test) == len(prepared.test_rows) == len(prepared.shown) == 12
        for segment, row, shown in zip(prepared.test, prepared.test_rows, prepared.shown, strict=True):
            assert row is shown.row and shown.oracle, "with no oracle in training, the test still has what is found"
            text = tokenizer.decode(segment.ids)
            assert all(passage.text in text for passage in shown.passages) and segment.supervised
        for segment in prepared.train:
            text = tokenizer.decode(segment.ids)
            assert text.count("The mayor of") == 2 and f"called {rows[segment.row]['completion']}." not in text
    documents.write_text(documents.read_text().replace("soup", "cake"))
    assert "cake" in tokenizer.decode(prepare(recipe, tokenizer, cache=tmp_path / "cache").train[0].ids)


@pytest.mark.parametrize("by", ["dense", "both"])
def test_learned_and_asked_rows_have_what_the_encoder_finds(documents: Path, tmp_path: Path, by: By) -> None:
    place = static_encoder(tmp_path / "encoder")
    found = lookup(documents, by=by, encoder=str(place), oracle_share=0.5)
    retriever = retriever_of(read_documents(documents), by, open_encoder(str(place)))
    for n in range(20):
        hits = [hit.passage for hit in retriever.search([question(n).messages[0]["content"]], 50)[0]]
        assert found.in_use(question(n)).passages == hits[:3]
        shown, own = found.to_learn(question(n)), found.own(question(n))
        distractors = [passage for passage in hits if passage.id not in own][:3]
        assert {passage.id for passage in shown.passages} - own <= {passage.id for passage in distractors}
        assert shown.oracle == (not own.isdisjoint({passage.id for passage in shown.passages}))


def test_prepared_rows_are_made_anew_with_another_encoder(documents: Path, tmp_path: Path, make_tokenizer) -> None:
    (tmp_path / "rows.jsonl").write_text(
        "".join(json.dumps({"prompt": f"{town}?", "completion": f"M{n}"}) + "\n" for n, town in enumerate(TOWNS))
    )
    place = static_encoder(tmp_path / "encoder")
    settings = {"documents": str(documents), "by": "dense", "encoder": str(place), "oracle_share": 0.0, "passages": 1}
    recipe = load_recipe({"data": str(tmp_path / "rows.jsonl"), "retrieval": settings})

    def learned() -> list[list[int]]:
        prepared = prepare(recipe, make_tokenizer(None, [], eos="</s>"), cache=tmp_path / "cache")
        return [list(segment.ids) for segment in prepared.train]

    first = learned()
    assert learned() == first
    shutil.rmtree(place)
    static_encoder(place, seed=1)
    assert learned() != first


def test_a_row_that_is_too_long_goes_without_its_last_passages(documents: Path, make_tokenizer) -> None:
    renderer = Renderer(make_tokenizer(None, [], eos="</s>"))
    found, row = lookup(documents), question(5)
    lengths = [len(renderer.render(found.in_use(row, count).row).ids) for count in range(4)]
    assert lengths == sorted(set(lengths))
    for count, length in enumerate(lengths):
        [shown], [segment] = with_passages_that_fit(found, [row], renderer, length)
        assert len(shown.passages) == count and len(segment.ids) == length
    assert len(with_passages_that_fit(found, [row], renderer, None)[0][0].passages) == 3


def test_retrieval_is_for_questions_with_answers(documents: Path, tmp_path: Path, make_tokenizer) -> None:
    retrieval = {"documents": str(documents)}
    with pytest.raises(RecipeError, match="not of dpo"):
        load_recipe({"data": "x.jsonl", "method": "dpo", "retrieval": retrieval})
    with pytest.raises(RecipeError, match="passages"):
        load_recipe({"data": "x.jsonl", "retrieval": {**retrieval, "template": "no places"}})
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"p{n}", "chosen": "a", "rejected": "b"}) + "\n" for n in range(30)))
    with pytest.raises(DataError, match="retrieval puts passages"):
        prepare(load_recipe({"data": str(path), "retrieval": retrieval}), make_tokenizer(None, [], eos="</s>"))


def test_documents_are_found_beside_the_recipe(documents: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("data: rows.jsonl\nretrieval: {documents: towns.jsonl}\n")
    loaded = load_recipe(recipe)
    assert loaded.retrieval and Path(loaded.retrieval.documents) == documents


def test_a_run_is_named_by_the_bytes_of_its_documents_and_not_by_their_place(documents: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')

    def name(path: Path) -> tuple[str, str]:
        return identity(load_recipe({"data": str(tmp_path / "rows.jsonl"), "retrieval": {"documents": str(path)}}))

    before = name(documents)
    moved = tmp_path / "moved.jsonl"
    moved.write_bytes(documents.read_bytes())
    assert name(moved) == before
    moved.write_text(documents.read_text() + '{"text": "One more."}\n')
    assert name(moved) != before


def test_a_run_is_named_by_what_its_encoder_is_and_not_by_its_place(documents: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')

    def name(**retrieval: object) -> tuple[str, str]:
        keys = {"documents": str(documents), **retrieval}
        return identity(load_recipe({"data": str(tmp_path / "rows.jsonl"), "retrieval": keys}))

    one, same = static_encoder(tmp_path / "one"), static_encoder(tmp_path / "same")
    other = static_encoder(tmp_path / "other", seed=1)
    assert name(by="dense", encoder=str(one)) == name(by="dense", encoder=str(same))
    assert name(by="dense", encoder=str(one)) != name(by="dense", encoder=str(other))
    names = {name(), name(by="both", encoder=str(one)), name(by="dense", encoder=str(one))}
    assert len(names | {name(by="dense", encoder="owner/name")}) == 4
    assert name(by="bm25") == name() == name(encoder=None, encoder_at=None)


def test_an_encoder_is_found_beside_the_recipe(documents: Path, tmp_path: Path) -> None:
    static_encoder(tmp_path / "encoder")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("data: rows.jsonl\nretrieval: {documents: towns.jsonl, by: dense, encoder: encoder}\n")
    loaded = load_recipe(recipe).retrieval
    assert loaded and loaded.encoder == str(tmp_path / "encoder")
    recipe.write_text("data: rows.jsonl\nretrieval: {documents: towns.jsonl, by: dense, encoder: owner/name}\n")
    loaded = load_recipe(recipe).retrieval
    assert loaded and loaded.encoder == "owner/name"
