"""A folder of documents: every change shows at the next look, and nothing is read from outside of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from tests.server.knowledge.conftest import Served
from whet.data.retrieval.documents import read_documents
from whet.data.retrieval.retrievers import BM25
from whet.errors import InputError
from whet.server.knowledge import shelves
from whet.server.knowledge.cuts import Cut
from whet.server.knowledge.folder import Folder
from whet.server.knowledge.library import Library

LAMP = "The blue lamp stands in the kitchen."


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Looked at before every search."""
    monkeypatch.setattr(shelves, "LOOK_SECONDS", 0.0)
    made = tmp_path / "documents"
    (made / "sub").mkdir(parents=True)
    (made / "lamp.md").write_text(LAMP)
    (made / "sub" / "faq.jsonl").write_text(
        '{"id": "q1", "text": "The harbour opens at nine."}\n{"text": "Tea: 2 coins."}\n'
    )
    (made / "page.html").write_text("<p>A green chair.</p><script>lamp</script>")
    return made


def texts(library: Library, query: str) -> list[str]:
    return [each.passage.text for each in library.search("anybody", "documents", query, 10)]


def test_changes_show_in_the_next_search(serve: Callable[..., Served], folder: Path) -> None:
    library = serve(documents=folder).service.library
    assert texts(library, "lamp") == [LAMP]
    (folder / "lamp.md").write_text("The lamp is red now.")
    assert texts(library, "lamp") == ["The lamp is red now."]
    (folder / "sub" / "new.txt").write_text("A second lamp.")
    assert texts(library, "lamp") == ["A second lamp.", "The lamp is red now."]
    (folder / "lamp.md").unlink()
    assert texts(library, "lamp") == ["A second lamp."]
    (folder / "sub").rename(folder / "moved")
    assert [each.document.filename for each in library.search("x", "documents", "lamp", 5)] == ["moved/new.txt"]


def test_it_is_found_as_in_training(folder: Path) -> None:
    """Passages, their names, their order and their scores are those of `retrieval.documents` in a recipe."""
    for number in range(20):
        (folder / f"n{number % 7}-{number}.txt").write_text(
            "One two three. " * (number % 4 + 1) + f"Number {number}.\n\nTea."
        )
    found = Folder(folder, Cut(words=8)).look().added
    by_training = read_documents(folder, 8)
    assert [p for one in sorted(found, key=lambda one: one.order) for p in one.passages] == by_training

    from whet.data.retrieval.growing_index import GrowingIndex

    index, queries = GrowingIndex(), ["tea", "number two", "harbour nine", "three lamp"]
    index.change([index.prepare(found)])
    assert index.snapshot.search(queries, 6) == BM25(by_training).search(queries, 6)


def test_only_what_changed_is_cut_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from whet.server.knowledge import folder as module

    cut: list[str] = []
    real = module.cut_bytes
    monkeypatch.setattr(module, "cut_bytes", lambda data, name, how: (cut.append(name), real(data, name, how))[1])
    looked = Folder(folder, Cut())
    assert len(looked.look().added) == 3 and len(cut) == 3
    old = (folder / "lamp.md").stat().st_mtime_ns - 10**10
    os.utime(folder / "lamp.md", ns=(old, old))
    changes = looked.look()
    assert (changes.added, changes.removed, len(cut)) == ([], [], 3)
    (folder / "lamp.md").write_text("red")
    assert [one.filename for one in looked.look().added] == ["lamp.md"] and cut[3:] == ["lamp.md"]


def test_a_change_that_keeps_size_and_time_is_seen_while_the_file_is_new(folder: Path) -> None:
    """Clocks of file systems tick: two writings within a tick have one time."""
    looked, path = Folder(folder, Cut()), folder / "lamp.md"
    path.write_text("one")
    time = path.stat().st_mtime_ns
    looked.look()
    path.write_text("two")
    os.utime(path, ns=(time, time))
    assert [one.passages[0].text for one in looked.look().added] == ["two"]


def test_links_that_lead_out_and_files_that_are_none_are_said(
    serve: Callable[..., Served], folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "secret.txt").write_text("The secret lamp.")
    (folder / "out.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "in.txt").symlink_to(folder / "lamp.md")
    (folder / "broken.txt").symlink_to(folder / "nowhere")
    (folder / "dir").symlink_to(tmp_path)
    (folder / "image.png").write_bytes(b"\x89PNG\0")
    (folder / "torn.jsonl").write_text('{"text": ')
    (folder / ".hidden.txt").write_text("The hidden lamp.")
    os.mkfifo(folder / "pipe.txt")

    served = serve(documents=folder)
    client = served.client()
    found = client.vector_stores.search("documents", query="lamp").data
    assert [one.content[0].text for one in found] == [LAMP]
    store = client.vector_stores.retrieve("documents")
    assert (store.name, store.file_counts.completed, store.file_counts.failed) == ("documents", 4, 3)
    failed = {
        f.last_error.message.split(":")[0]: f.last_error
        for f in client.vector_stores.files.list("documents", filter="failed")
        if f.last_error
    }
    assert set(failed) == {"out.txt", "image.png", "torn.jsonl"}
    assert "leads out" in failed["out.txt"].message and failed["image.png"].code == "unsupported_file"
    said = "\n".join(record.message for record in caplog.records)
    assert all(name in said for name in failed) and "secret" not in said


def test_a_file_that_becomes_unreadable_answers_no_more(serve: Callable[..., Served], folder: Path) -> None:
    library = serve(documents=folder).service.library
    assert texts(library, "harbour")
    (folder / "sub" / "faq.jsonl").write_bytes(b"\xff\xfe")
    assert texts(library, "harbour") == []
    (folder / "sub" / "faq.jsonl").write_text('{"text": "The harbour is shut."}\n')
    assert texts(library, "harbour") == ["The harbour is shut."]


def test_the_folder_is_read_by_every_project_and_changed_by_none(serve: Callable[..., Served], folder: Path) -> None:
    served = serve(documents=folder)
    for project in ("default", "other"):
        client, file = served.client(project), served.upload("x", project=project)
        files = list(client.vector_stores.files.list("documents", limit=2, order="asc"))
        assert len(files) == 3 and all(one.id.startswith("doc-") for one in files)
        assert client.vector_stores.files.retrieve(files[0].id, vector_store_id="documents").id == files[0].id
        refuse_changes(client, file, files[0].id)


def refuse_changes(client: OpenAI, file: str, held: str) -> None:
    for ask in (
        lambda: client.vector_stores.files.create("documents", file_id=file),
        lambda: client.vector_stores.files.delete(held, vector_store_id="documents"),
        lambda: client.vector_stores.update("documents", name="x"),
        lambda: client.vector_stores.delete("documents"),
    ):
        with pytest.raises(BadRequestError, match="folder of the service"):
            ask()


def test_without_a_folder_there_is_no_such_store(served: Served, tmp_path: Path, serve: Callable[..., Served]) -> None:
    with pytest.raises(NotFoundError):
        served.client().vector_stores.retrieve("documents")
    with pytest.raises(InputError, match="no folder"):
        serve(documents=tmp_path / "absent")


def test_a_folder_that_is_gone_is_said_and_comes_back(serve: Callable[..., Served], folder: Path) -> None:
    library = serve(documents=folder).service.library
    assert texts(library, "lamp")
    folder.rename(folder.with_name("away"))
    from whet.server.errors import ApiError

    with pytest.raises(ApiError, match="cannot be read"):
        texts(library, "lamp")
    folder.with_name("away").rename(folder)
    assert texts(library, "lamp") == [LAMP]
