"""Vector stores, with OpenAI's own client in strict mode."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, PermissionDeniedError

from tests.server.conftest import new_database
from tests.server.knowledge.conftest import Served

LAMP, CHAIR = "The blue lamp stands in the kitchen.", "A green chair costs 40 coins."


def test_a_store_is_made_listed_changed_and_removed(served: Served) -> None:
    client = served.client()
    made = client.vector_stores.create(name="shop", metadata={"team": "a"})
    assert made.id.startswith("vs_") and made.status == "completed" and made.file_counts.total == 0
    others = [client.vector_stores.create(name=f"n{n}").id for n in range(3)]

    changed = client.vector_stores.update(made.id, name="the shop", metadata={"team": "b"})
    assert (changed.name, changed.metadata) == ("the shop", {"team": "b"})
    assert client.vector_stores.update(made.id, metadata={}).name == "the shop"
    assert [one.id for one in client.vector_stores.list(limit=2)] == [*reversed(others), made.id]
    assert [one.id for one in client.vector_stores.list(order="asc", limit=3)] == [made.id, *others]

    gone = client.vector_stores.delete(made.id)
    assert gone.deleted and gone.object == "vector_store.deleted"
    with pytest.raises(NotFoundError):
        client.vector_stores.retrieve(made.id)


def test_files_are_attached_searched_and_detached(served: Served) -> None:
    client = served.client()
    store = client.vector_stores.create(name="shop", file_ids=[served.upload(LAMP, "lamp.md")])
    assert store.file_counts.completed == 1 and store.usage_bytes == len(LAMP)
    attached = client.vector_stores.files.create_and_poll(
        served.upload(CHAIR, "chair.txt"), vector_store_id=store.id, attributes={"kind": "price"}
    )
    assert attached.status == "completed" and attached.attributes == {"kind": "price"}
    assert client.vector_stores.files.retrieve(attached.id, vector_store_id=store.id) == attached
    listed = list(client.vector_stores.files.list(store.id, limit=1, order="asc"))
    assert [one.id for one in listed][1:] == [attached.id] and len(listed) == 2

    found = client.vector_stores.search(store.id, query="chair, lamp: what costs 40 coins?", max_num_results=5).data
    assert [(one.filename, one.content[0].text) for one in found][0] == ("chair.txt", CHAIR)
    assert found[0].file_id == attached.id and found[0].score > 0

    gone = client.vector_stores.files.delete(attached.id, vector_store_id=store.id)
    assert gone.deleted and gone.object == "vector_store.file.deleted"
    assert client.vector_stores.search(store.id, query="chair").data == []
    assert client.vector_stores.retrieve(store.id).file_counts.total == 1


def test_files_are_found_by_attributes(served: Served) -> None:
    client = served.client()
    store = client.vector_stores.create().id
    for year, text in ((2024, "fee is 4"), (2025, "fee is 5")):
        client.vector_stores.files.create(store, file_id=served.upload(text), attributes={"year": year, "new": True})

    def found(filters: Any) -> list[str]:
        return [one.content[0].text for one in client.vector_stores.search(store, query="fee", filters=filters)]

    year = {"type": "eq", "key": "year", "value": 2025}
    assert found(year) == ["fee is 5"]
    assert found({"type": "and", "filters": [year, {"type": "eq", "key": "new", "value": True}]}) == ["fee is 5"]
    assert found({"type": "eq", "key": "other", "value": "x"}) == []
    for odd in ({"type": "gt", "key": "year", "value": 1}, {"type": "or", "filters": [year]}, [], {"type": "eq"}):
        with pytest.raises(BadRequestError, match="filters is not supported"):
            found(odd)


def test_files_that_cannot_be_read_are_kept_with_the_reason(served: Served) -> None:
    client = served.client()
    store = client.vector_stores.create().id
    cases = [
        ("a.pdf", "x", "unsupported_file"),
        ("b.jsonl", '{"text": ', "invalid_file"),
        ("c.md", " ", "invalid_file"),
    ]
    for name, content, code in cases:
        file = client.vector_stores.files.create(store, file_id=served.upload(content, name))
        assert file.status == "failed" and file.last_error is not None and file.last_error.code == code
        assert name in file.last_error.message and file.usage_bytes == 0
    assert client.vector_stores.retrieve(store).file_counts.failed == 3
    assert len(list(client.vector_stores.files.list(store, filter="failed"))) == 3
    assert list(client.vector_stores.files.list(store, filter="completed")) == []
    assert client.vector_stores.search(store, query="x").data == []


def test_another_service_over_the_same_database_finds_the_same(served: Served, serve: Callable[..., Served]) -> None:
    first, second = served.client(), serve().client()
    store = first.vector_stores.create(file_ids=[served.upload(LAMP, "lamp.md")]).id
    assert len(second.vector_stores.search(store, query="lamp").data) == 1
    file = first.vector_stores.files.create(store, file_id=served.upload("Another lamp.", "b.md")).id
    assert len(second.vector_stores.search(store, query="lamp").data) == 2
    second.vector_stores.files.delete(file, vector_store_id=store)
    assert len(first.vector_stores.search(store, query="lamp").data) == 1


def test_a_file_that_is_deleted_is_found_no_more(served: Served) -> None:
    client, file = served.client(), served.upload(LAMP)
    store = client.vector_stores.create(file_ids=[file]).id
    assert client.vector_stores.search(store, query="lamp").data
    client.files.delete(file)
    assert client.vector_stores.search(store, query="lamp").data == []
    assert client.vector_stores.retrieve(store).file_counts.total == 0


def test_a_file_is_uploaded_and_attached_in_one_call(served: Served) -> None:
    client = served.client()
    store = client.vector_stores.create().id
    made = client.vector_stores.files.upload_and_poll(vector_store_id=store, file=("lamp.md", LAMP.encode()))
    assert made.status == "completed"
    assert client.vector_stores.search(store, query="lamp").data[0].filename == "lamp.md"


def test_projects_do_not_see_each_others_stores_and_files(served: Served) -> None:
    mine, theirs = served.client(), served.client("other")
    file, store = served.upload(LAMP), mine.vector_stores.create().id
    mine.vector_stores.files.create(store, file_id=file)
    own = theirs.vector_stores.create().id
    asked: list[Callable[[], object]] = [
        lambda: theirs.vector_stores.retrieve(store),
        lambda: theirs.vector_stores.update(store, name="x"),
        lambda: theirs.vector_stores.delete(store),
        lambda: theirs.vector_stores.search(store, query="lamp"),
        lambda: theirs.vector_stores.files.list(store),
        lambda: theirs.vector_stores.files.retrieve(file, vector_store_id=store),
        lambda: theirs.vector_stores.files.delete(file, vector_store_id=store),
        lambda: theirs.vector_stores.files.create(store, file_id=file),
        lambda: theirs.vector_stores.files.create(own, file_id=file),
        lambda: theirs.vector_stores.create(file_ids=[file]),
    ]
    for ask in asked:
        with pytest.raises(NotFoundError):
            ask()
    assert [one.id for one in theirs.vector_stores.list()] == [own]
    assert len(mine.vector_stores.search(store, query="lamp").data) == 1


def test_a_key_that_may_only_infer_changes_nothing(served: Served) -> None:
    store = served.client().vector_stores.create().id
    reader = served.client(scopes=("infer",))
    assert reader.vector_stores.search(store, query="x").data == []
    for ask in (lambda: reader.vector_stores.create(), lambda: reader.vector_stores.delete(store)):
        with pytest.raises(PermissionDeniedError):
            ask()


def test_what_is_not_supported_is_refused_by_name(served: Served) -> None:
    client = served.client()
    store, file = client.vector_stores.create().id, served.upload(LAMP)
    static: Any = {"type": "static", "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}}
    refused: dict[str, Callable[[], object]] = {
        "expires_after": lambda: client.vector_stores.create(expires_after={"anchor": "last_active_at", "days": 1}),
        "description": lambda: client.vector_stores.create(description="x"),
        "chunking_strategy": lambda: client.vector_stores.files.create(store, file_id=file, chunking_strategy=static),
        "attributes": lambda: client.vector_stores.files.update(file, vector_store_id=store, attributes={}),
        "content": lambda: client.vector_stores.files.content(file, vector_store_id=store),
        "file_batches": lambda: client.vector_stores.file_batches.create(store, file_ids=[file]),
        "ranking_options": lambda: client.vector_stores.search(
            store, query="x", ranking_options={"score_threshold": 0.5}
        ),
        "rewrite_query": lambda: client.vector_stores.search(store, query="x", rewrite_query=True),
        "query": lambda: client.vector_stores.search(store, query=["x", "y"]),
        "before": lambda: client.vector_stores.list(before=store),
    }
    for name, ask in refused.items():
        with pytest.raises(BadRequestError) as caught:
            ask()
        assert (caught.value.code, caught.value.param) == ("unsupported_parameter", name)
    with pytest.raises(BadRequestError):
        client.vector_stores.create(extra_body={"other": 1})
    with pytest.raises(BadRequestError):
        client.vector_stores.create(name="\ud800x".encode("utf-8", "surrogatepass").decode("utf-8", "replace") + "\0")


def test_the_same_on_postgres(postgres: str, serve: Callable[..., Served]) -> None:
    served = serve(database=new_database(postgres))
    client = served.client()
    bad, good = served.upload("x", "a.pdf"), served.upload(LAMP, "lamp.md")
    store = client.vector_stores.create(name="shop", file_ids=[bad, good])
    assert (store.file_counts.completed, store.file_counts.failed, store.usage_bytes) == (1, 1, len(LAMP))
    with ThreadPoolExecutor(4) as pool:  # the same file at once, again and again: one of them stays
        for done in [pool.submit(client.vector_stores.files.create, store.id, file_id=good) for _ in range(8)]:
            done.result()
    assert len(list(client.vector_stores.files.list(store.id, limit=1))) == 2
    assert [one.filename for one in client.vector_stores.search(store.id, query="lamp")] == ["lamp.md"]
    client.files.delete(good)
    assert client.vector_stores.search(store.id, query="lamp").data == []
    assert client.vector_stores.delete(store.id).deleted
