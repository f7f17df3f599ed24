"""Answers that rest on documents, with OpenAI's own client in strict mode."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from openai import BadRequestError, NotFoundError, OpenAI

from tests.server.knowledge.conftest import Served
from tests.server.knowledge.test_changes_while_asked import Askers, text_of, version_of
from whet.data.retrieval.passages import with_passages
from whet.data.retrieval.retrievers import BM25
from whet.evaluation.retrieval.grounding import REFUSALS, ground
from whet.server.application import create_app
from whet.server.knowledge import shelves
from whet.server.settings import Settings

HARBOUR, LAMP = "The harbour opens at nine.", "The blue lamp stands in the kitchen. It costs 40 coins."
QUESTION = "When does the harbour open?"
ASKED: list[Any] = [{"role": "system", "content": "Be short."}, {"role": "user", "content": QUESTION}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("documents")
    (made / "harbour.md").write_text(HARBOUR)
    (made / "lamp.md").write_text(LAMP)
    return made


@pytest.fixture(scope="module")
def served(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = Settings(home=tmp_path_factory.mktemp("home"), workers=0, documents=folder)
    with TestClient(create_app(settings)) as http:
        yield Served(http)


@pytest.fixture(scope="module")
def client(served: Served) -> OpenAI:
    return served.client()


@pytest.fixture(autouse=True)
def looked_at_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelves, "LOOK_SECONDS", 0.0)


def chat(client: OpenAI, documents: Any, messages: list[Any] = ASKED, **more: Any) -> dict[str, Any]:
    answer = client.chat.completions.create(
        model="nano", messages=messages, temperature=0, max_tokens=8, extra_body={"documents": documents}, **more
    )
    return answer.model_dump()


def respond(client: OpenAI, store: str, **tool: Any) -> Any:
    search: Any = {"type": "file_search", "vector_store_ids": [store]} | tool
    return client.responses.create(model="nano", input=QUESTION, max_output_tokens=8, temperature=0, tools=[search])


def test_a_chat_rests_on_the_folder_and_says_so(client: OpenAI) -> None:
    answer = chat(client, True)
    assert [(one["filename"], one["passage"]) for one in answer["passages"]] == [
        ("harbour.md", "harbour.md#1"),
        ("lamp.md", "lamp.md#1"),
    ]
    assert answer["passages"][0]["file_id"].startswith("doc-") and answer["passages"][0]["text"] == HARBOUR

    by_hand = with_passages(ASKED, [HARBOUR, LAMP])
    same = client.chat.completions.create(model="nano", messages=by_hand, temperature=0, max_tokens=8)  # type: ignore[arg-type]
    text = answer["choices"][0]["message"]["content"]
    assert same.choices[0].message.content == text and same.usage is not None
    assert answer["usage"]["prompt_tokens"] == same.usage.prompt_tokens

    facts = ground(text, [HARBOUR, LAMP], QUESTION, REFUSALS)
    told = answer["choices"][0]["grounding"]
    assert told == {
        "refused": facts.refused,
        "k_precision": facts.k_precision,
        "bigrams": facts.bigrams,
        "supported": facts.supported,
    }


def test_a_stream_says_it_at_the_end_and_several_answers_each(client: OpenAI) -> None:
    whole = chat(client, {"store": "documents", "max_num_results": 1}, n=2, seed=1)
    assert len(whole["passages"]) == 1 and all("grounding" in choice for choice in whole["choices"])
    stream = client.chat.completions.create(
        model="nano", messages=ASKED, temperature=0, max_tokens=8, stream=True, extra_body={"documents": True}
    )
    *before, last = [chunk.model_dump() for chunk in stream]
    plain = chat(client, True)
    assert last["passages"] == plain["passages"]
    assert last["choices"][0]["grounding"] == plain["choices"][0]["grounding"]
    assert not any("passages" in chunk for chunk in before)


def test_nothing_is_searched_unless_it_is_asked_for(client: OpenAI) -> None:
    plain = client.chat.completions.create(model="nano", messages=ASKED, temperature=0, max_tokens=2).model_dump()
    assert "passages" not in plain and "grounding" not in plain["choices"][0]
    assert "passages" not in chat(client, False)


def test_a_response_searches_a_store_and_cites_its_files(served: Served, client: OpenAI) -> None:
    file = served.upload("The harbour opens at nine. " * 2, "harbour.txt")
    store = client.vector_stores.create(file_ids=[file]).id
    answer = respond(client, store)
    search, message = answer.output
    assert (search.type, search.status, search.queries) == ("file_search_call", "completed", [QUESTION])
    assert [(one.file_id, one.filename) for one in search.results] == [(file, "harbour.txt")]
    assert answer.model_extra["passages"][0]["file_id"] == file and "supported" in answer.model_extra["grounding"]
    assert message.type == "message" and message.content[0].text == answer.output_text
    assert answer.tools[0].vector_store_ids == [store]


def test_files_are_cited_by_what_the_answer_takes_from_them(served: Served) -> None:
    from whet.server.knowledge.rules import PLAIN, _rules
    from whet.server.knowledge.sources import Asked, FoundSources

    sources = FoundSources(served.service.library, "any", _rules(PLAIN, False, None), Asked("documents"))
    sources.arrange([{"role": "user", "content": "harbour or lamp?"}], lambda messages: 1, 9)
    assert len(sources.found) == 2

    def cited(answer: str) -> list[tuple[str, int]]:
        return [(one["filename"], one["index"]) for one in sources.citations(answer)]

    assert cited("At nine.") == [("harbour.md", 8)]
    assert cited("The lamp, at nine.") == [("harbour.md", 18), ("lamp.md", 18)]
    assert cited("It is not stated where the lamp is.") == cited("At ten.") == cited("") == []


def test_a_response_is_streamed_with_its_search(client: OpenAI) -> None:
    tools: Any = [{"type": "file_search", "vector_store_ids": ["documents"], "max_num_results": 1}]
    kinds = []
    with client.responses.stream(
        model="nano",
        input=QUESTION,
        max_output_tokens=8,
        temperature=0,
        tools=tools,
        include=["file_search_call.results"],
    ) as stream:
        for event in stream:
            kinds.append(event.type)
        final = stream.get_final_response()
    whole = respond(client, "documents", max_num_results=1)
    assert [item.type for item in final.output] == ["file_search_call", "message"]
    assert final.output_text == whole.output_text
    assert kinds.index("response.file_search_call.completed") < kinds.index("response.output_text.delta")

    again: Any = [{"role": "user", "content": QUESTION}, *whole.output, {"role": "user", "content": "And the lamp?"}]
    more = client.responses.create(model="nano", input=again, max_output_tokens=4, tools=tools)
    assert (more.model_extra or {})["passages"][0]["filename"] == "lamp.md"


def test_what_cannot_be_searched_is_refused(client: OpenAI) -> None:
    with pytest.raises(NotFoundError, match="vector store"):
        chat(client, {"store": "vs_nothere"})
    with pytest.raises(NotFoundError, match="vector store"):
        respond(client, "vs_nothere")
    refused: list[tuple[str, Any]] = [
        ("tools.0.vector_store_ids", lambda: respond(client, "documents", vector_store_ids=["documents", "x"])),
        ("tools.0.vector_store_ids", lambda: respond(client, "documents", vector_store_ids=[])),
        ("tools.0.max_num_results", lambda: respond(client, "documents", max_num_results=0)),
        ("ranking_options", lambda: respond(client, "documents", ranking_options={"score_threshold": 0.5})),
        ("filters", lambda: respond(client, "documents", filters={"type": "ne", "key": "a", "value": "b"})),
        ("filters", lambda: chat(client, {"store": "documents", "filters": {"type": "ne", "key": "a", "value": "b"}})),
        ("max_results", lambda: chat(client, {"store": "documents", "max_results": 2})),
        ("messages", lambda: chat(client, True, [{"role": "system", "content": "Say something."}])),
    ]
    for name, ask in refused:
        with pytest.raises(BadRequestError) as caught:
            ask()
        assert caught.value.param == name


def test_as_many_passages_as_the_prompt_has_room_for(served: Served, client: OpenAI) -> None:
    """The last go first, as for a test row that would be too long."""
    texts = [f"harbour {'word ' * 190} number {n}." for n in range(6)]
    store = client.vector_stores.create(file_ids=[served.upload("\n\n".join(texts))]).id
    found = chat(client, {"store": store, "max_num_results": 6})["passages"]
    best = client.vector_stores.search(store, query=QUESTION, max_num_results=6).data
    assert 0 < len(found) < len(best) == 6
    assert [one["text"] for one in found] == [one.content[0].text for one in best[: len(found)]]


@pytest.mark.slow
def test_changes_show_in_the_next_answer_while_32_clients_ask(served: Served, folder: Path) -> None:
    path, client = folder / "fees.md", served.client()
    path.write_text(text_of(0))
    question: list[Any] = [{"role": "user", "content": "What is the fee of the tariff?"}]

    def ask() -> set[int]:
        answer = chat(client, {"store": "documents", "max_num_results": 3}, question)
        assert len(answer["passages"]) == 3
        return {version_of(one["text"]) for one in answer["passages"]}

    with Askers(ask) as askers:
        for version in (1, 2):
            beside = folder / ".new"
            beside.write_text(text_of(version))
            beside.replace(path)
            (askers.acknowledged,) = ask()
            assert askers.acknowledged == version
    path.unlink()
    assert not any(one["filename"] == "fees.md" for one in chat(client, True, question)["passages"])


def test_bm25_of_the_service_is_that_of_training(served: Served, folder: Path) -> None:
    from whet.data.retrieval.documents import read_documents

    found = served.service.library.snapshot("any", "documents", served.service.library.usual).search([QUESTION], 5)
    assert found == BM25(read_documents(folder)).search([QUESTION], 5)
