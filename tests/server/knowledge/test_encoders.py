"""Passages found by vectors: as in training, each encoded once, and never by two encoders at a time."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openai import InternalServerError

from tests.encoders import embeddings_server, letters, static_encoder
from tests.server.conftest import new_database
from tests.server.knowledge.conftest import Served
from whet.data.retrieval.documents import Passage, read_documents
from whet.data.retrieval.encoders.opening import open_encoder
from whet.data.retrieval.encoders.remote import PROBE
from whet.data.retrieval.encoders.static import StaticEncoder
from whet.data.retrieval.retrievers import Hit, retriever_of
from whet.errors import InputError, RunError
from whet.recipe.sections.retrieval import By, EncoderAt
from whet.server.database.tables import passage_vectors
from whet.server.knowledge import shelves
from whet.server.knowledge.kept_vectors import DAY, KEPT_SECONDS
from whet.server.knowledge.library import FOLDER, Library

QUESTIONS = ["When does the harbour open?", "lamp", "What costs 40 coins?"]
TEXTS = {
    "harbour.md": "The harbour opens at nine.\n\nIn winter it is shut.",
    "lamp.md": "The blue lamp stands in the kitchen.",
    "twin.md": "The blue lamp stands in the kitchen.",
    "chair.txt": "A green chair costs 40 coins.",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Looked at before every search."""
    monkeypatch.setattr(shelves, "LOOK_SECONDS", 0.0)
    made = tmp_path / "documents"
    made.mkdir()
    for name, text in TEXTS.items():
        (made / name).write_text(text)
    return made


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return static_encoder(tmp_path_factory.mktemp("encoder") / "static")


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passages that static encoders are given."""
    seen: list[str] = []
    real = StaticEncoder.encode_document

    def spied(self: StaticEncoder, inputs: list[str], /) -> Any:
        seen.extend(inputs)
        return real(self, inputs)

    monkeypatch.setattr(StaticEncoder, "encode_document", spied)
    return seen


def found(library: Library, question: str, count: int = 3) -> list[tuple[str, float]]:
    return [(each.passage.text, each.score) for each in library.search("anybody", FOLDER, question, count)]


def expected(folder: Path, by: By, encoder: Path, question: str, count: int = 3) -> list[tuple[str, float]]:
    """What a training on the same documents finds."""
    retriever = retriever_of(read_documents(folder), by, open_encoder(str(encoder)))
    return [(hit.passage.text, hit.score) for hit in retriever.search([question], count)[0]]


@pytest.mark.parametrize("by", ["dense", "both"])
def test_passages_and_scores_are_those_of_training(
    serve: Callable[..., Served], folder: Path, encoder: Path, by: By
) -> None:
    served = serve(documents=folder, documents_encoder=str(encoder), documents_by=by)
    for question in QUESTIONS:
        assert found(served.service.library, question) == expected(folder, by, encoder, question)
    shown = served.client().vector_stores.search("documents", query=QUESTIONS[0], max_num_results=3).data
    assert [one.content[0].text for one in shown] == [text for text, _ in found(served.service.library, QUESTIONS[0])]
    assert served.client().vector_stores.retrieve("documents").file_counts.completed == 4


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_passage_is_encoded_once(
    serve: Callable[..., Served],
    folder: Path,
    encoder: Path,
    encoded: list[str],
    kind: str,
    request: pytest.FixtureRequest,
) -> None:
    """Not again at a new start, nor in another store; of a document that changes, only what is new."""
    settings: dict[str, Any] = {"documents": folder, "documents_encoder": str(encoder)}
    if kind == "postgresql":
        settings["database"] = new_database(request.getfixturevalue("postgres"))
    first = serve(**settings)
    before = found(first.service.library, QUESTIONS[0])
    assert sorted(encoded) == sorted(set(TEXTS.values()))

    encoded.clear()
    again = serve("home" if kind == "sqlite" else "elsewhere", **settings)
    assert found(again.service.library, QUESTIONS[0]) == before
    client = again.client()
    store = client.vector_stores.create(file_ids=[again.upload(TEXTS["lamp.md"], "lamp.md")]).id
    assert len(client.vector_stores.search(store, query="lamp").data) == 1 and encoded == []

    long = "A long paragraph. " * 80
    (folder / "harbour.md").write_text(f"{long}\n\n{'Another one. ' * 90}")
    assert len(found(again.service.library, "paragraph", 9)) > 3 and encoded
    encoded.clear()
    (folder / "harbour.md").write_text(f"{long}\n\n{'Another two. ' * 90}")
    now = [text for text, _ in found(again.service.library, "paragraph", 9)]
    assert encoded and all("two" in text for text in encoded) and set(encoded) < set(now)
    assert not any("Another one" in text for text in now)


def test_another_encoder_under_the_same_name_encodes_all_anew(
    serve: Callable[..., Served], folder: Path, tmp_path: Path, encoded: list[str]
) -> None:
    place = static_encoder(tmp_path / "encoder")
    settings: dict[str, Any] = {"documents": folder, "documents_encoder": str(place)}
    first = found(serve(**settings).service.library, QUESTIONS[0])
    shutil.rmtree(place)
    static_encoder(place, seed=1)
    encoded.clear()
    now = found(serve(**settings).service.library, QUESTIONS[0])
    assert len(set(encoded)) == 3 and now == expected(folder, "dense", place, QUESTIONS[0]) != first


def test_another_model_behind_the_same_url_is_refused_and_encodes_all_anew_at_the_next_start(
    serve: Callable[..., Served], folder: Path
) -> None:
    turned = threading.Event()
    server = embeddings_server(lambda text: letters(text)[::-1] if turned.is_set() else letters(text))
    settings: dict[str, Any] = {
        "documents": folder,
        "documents_encoder": "letters",
        "documents_encoder_url": server.url,
    }
    served = serve(**settings)
    before = found(served.service.library, "lamp")
    assert before[0][0] == TEXTS["lamp.md"]
    turned.set()
    with pytest.raises(InternalServerError, match="log says why") as refused:
        served.client().vector_stores.search("documents", query="lamp")
    assert refused.value.status_code == 503 and server.url not in str(refused.value)

    server.asked.clear()
    again = serve(**settings).service.library
    assert [text for text, _ in found(again, "lamp")] == [text for text, _ in before]
    passages = {text for _, _, body in server.asked for text in body["input"]} - {PROBE, "lamp"}
    assert passages == set(TEXTS.values()), "all of them, and not the kept ones"


def test_documents_are_not_lost_while_their_encoder_does_not_answer(serve: Callable[..., Served], folder: Path) -> None:
    server = embeddings_server()
    answer = server.reply
    at = {"documents_encoder": "letters", "documents_encoder_url": server.url}
    served = serve(documents=folder, **at)
    assert found(served.service.library, "lamp")
    client, file = served.client(), served.upload("A tea costs 2 coins.", "tea.md")
    store = client.vector_stores.create().id

    server.reply = lambda number: (400, {"error": "away"})
    (folder / "new.md").write_text("zzz zzz")
    (folder / "lamp.md").unlink()
    for ask in (
        lambda: client.vector_stores.search("documents", query="zzz"),
        lambda: client.vector_stores.files.create(store, file_id=file),
    ):
        with pytest.raises(InternalServerError, match="does not answer"):
            ask()
    assert client.vector_stores.retrieve(store).file_counts.total == 0

    server.reply = answer
    names = [each.document.filename for each in served.service.library.search("anybody", FOLDER, "zzz", 9)]
    assert names[0] == "new.md" and "lamp.md" not in names and len(names) == 4
    client.vector_stores.files.create(store, file_id=file)
    assert client.vector_stores.search(store, query="tea").data[0].filename == "tea.md"


def test_vectors_that_nobody_used_for_a_month_are_let_go(
    serve: Callable[..., Served], folder: Path, encoder: Path, encoded: list[str]
) -> None:
    settings: dict[str, Any] = {"documents": folder, "documents_encoder": str(encoder)}
    first = serve(**settings)
    found(first.service.library, "lamp")
    age(first, 2 * DAY)
    second = serve(**settings)
    found(second.service.library, "lamp")  # used again, and so not two days old any more
    age(second, KEPT_SECONDS - DAY)
    encoded.clear()
    found(serve(**settings).service.library, "lamp")
    assert encoded == []
    age(first, KEPT_SECONDS + DAY)
    found(serve(**settings).service.library, "lamp")
    assert len(set(encoded)) == 3


def age(served: Served, seconds: float) -> None:
    with served.service.database.write() as connection:
        older = passage_vectors.c.used_at - seconds
        connection.execute(passage_vectors.update().values(used_at=older))


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"documents_by": "both"}, "needs an encoder"),
        ({"documents_by": "bm25", "documents_encoder": "e"}, "words alone"),
        ({"documents_encoder_url": "http://127.0.0.1:1/v1"}, "which encoder"),
        ({"documents_encoder": "e", "documents_encoder_key": "KEY"}, "no server"),
        ({"documents_encoder": "no/such"}, "cannot be opened"),
    ],
)
def test_options_that_contradict_each_other_are_refused_at_the_start(
    serve: Callable[..., Served], settings: dict[str, Any], what: str
) -> None:
    with pytest.raises(InputError, match=what):
        serve(**settings)


def test_an_encoder_that_stays_away_is_said_at_the_start() -> None:
    with pytest.raises(RunError, match="cannot be reached"):
        open_encoder("e", EncoderAt(url="http://127.0.0.1:1/v1", retries=0))


def test_of_equal_texts_the_first_document_is_found(serve: Callable[..., Served], folder: Path, encoder: Path) -> None:
    library = serve(documents=folder, documents_encoder=str(encoder)).service.library
    names = [each.passage.id for each in library.search("anybody", FOLDER, "lamp", 9)]
    held: list[Passage] = read_documents(folder)
    hits: list[Hit] = retriever_of(held, "dense", open_encoder(str(encoder))).search(["lamp"], 9)[0]
    assert names == [hit.passage.id for hit in hits] and "lamp.md#1" in names and "twin.md#1" not in names
