"""A document changes while 32 clients ask: whoever asks after a change was acknowledged finds the new text, and nobody
ever finds a mixture of two versions, while parts of the index are merged all the time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.encoders import static_encoder
from tests.server.knowledge.conftest import Served
from whet.data.retrieval import growing_index
from whet.server.knowledge import shelves
from whet.server.knowledge.library import Library

CLIENTS, VERSIONS, PARTS = 32, 10, 8

PAUSE_SECONDS = 0.15
"""Between the questions of a client: threads that never wait would leave none for the changes."""


class Askers:
    """Clients that ask on and on. `ask` gives the versions that one search found."""

    def __init__(self, ask: Callable[[], set[int]]) -> None:
        self.ask, self.acknowledged, self.asked = ask, 0, 0
        self.wrong: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(CLIENTS)]

    def __enter__(self) -> Askers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        while self.asked < 2 * CLIENTS and any(thread.is_alive() for thread in self._threads):
            time.sleep(0.01)
        self._stop.set()
        for thread in self._threads:
            thread.join()
        assert not self.wrong, self.wrong[:3]
        assert self.asked >= 2 * CLIENTS

    def _run(self) -> None:
        while not self._stop.is_set():
            least = self.acknowledged
            try:
                found = self.ask()
            except Exception as error:
                self.wrong.append(f"{type(error).__name__}: {error}")
                return
            if len(found) != 1 or min(found) < least:
                self.wrong.append(f"after {least} was acknowledged: {sorted(found)}")
            self.asked += 1
            time.sleep(PAUSE_SECONDS)


def text_of(version: int) -> str:
    """A document of several passages, each of which says its version."""
    return "\n\n".join(f"The fee of tariff {n} is version {version} " + "coins " * 150 for n in range(PARTS))


@pytest.fixture(params=["bm25", "dense", "both"])
def found_by(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """How the service finds passages."""
    if request.param == "bm25":
        return {}
    return {"documents_by": request.param, "documents_encoder": str(static_encoder(tmp_path / "encoder"))}


def asked_for(library: Library, project: str, store: str) -> list[str]:
    """All passages about the fee: by vectors every passage is a hit."""
    found = library.search(project, store, "what is the fee of the tariff", 10 * PARTS)
    return [each.passage.text for each in found if "tariff" in each.passage.text]


def version_of(text: str) -> int:
    return int(text.split("version ")[1].split()[0])


@pytest.fixture(autouse=True)
def many_merges_and_slow_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a change does one after the other would be seen."""
    made = growing_index.Snapshot.__init__

    def slowly(*given: Any) -> None:
        made(*given)
        time.sleep(0.03)

    monkeypatch.setattr(growing_index.Snapshot, "__init__", slowly)
    monkeypatch.setattr(growing_index, "MOST_PARTS", 2)


def test_a_document_of_a_folder_changes(
    serve: Callable[..., Served], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found_by: dict[str, Any]
) -> None:
    """Searches go on while somebody looks, as they do where much has changed."""
    monkeypatch.setattr(shelves, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(shelves, "PATIENCE_SECONDS", 0.005)
    folder = tmp_path / "documents"
    folder.mkdir()
    for number in range(20):
        (folder / f"other{number}.txt").write_text(f"Something else {number}. " * 30)
    path = folder / "fees.md"
    path.write_text(text_of(0))
    library = serve(documents=folder, **found_by).service.library

    def ask() -> set[int]:
        texts = asked_for(library, "p", "documents")
        assert len(texts) == PARTS
        return {version_of(text) for text in texts}

    with Askers(ask) as askers:
        for version in range(1, VERSIONS):
            beside = folder / ".fees.new"
            beside.write_text(text_of(version))
            beside.replace(path)
            while max(ask()) < version:  # what one has seen, all see
                time.sleep(0.005)
            askers.acknowledged = version


def test_a_file_of_a_store_changes(serve: Callable[..., Served], found_by: dict[str, Any]) -> None:
    """By the API a file is added and another one removed: each is in force once its call returns."""
    served = serve(**found_by)
    client, library = served.client(), served.service.library
    store = client.vector_stores.create(file_ids=[served.upload("Something else. " * 30)]).id
    with served.service.database.read() as connection:
        from whet.server.database.tables import vector_stores

        project = connection.execute(vector_stores.select()).one().project
    old = client.vector_stores.files.create(store, file_id=served.upload(text_of(0))).id
    limits = [0, 0]  # versions that a search may find: the oldest, the newest

    def ask() -> set[int]:
        oldest = limits[0]
        texts = asked_for(library, project, store)
        newest = limits[1]
        versions = [version_of(text) for text in texts]
        assert all(versions.count(version) == PARTS for version in versions), "a document in part"
        assert oldest <= min(versions) and max(versions) <= newest, (oldest, set(versions), newest)
        return {max(versions)}

    with Askers(ask) as askers:
        for version in range(1, VERSIONS):
            limits[1] = version
            new = client.vector_stores.files.create(store, file_id=served.upload(text_of(version))).id
            askers.acknowledged = version
            client.vector_stores.files.delete(old, vector_store_id=store)
            limits[0], old = version, new
