"""A service with documents, OpenAI's own client for it, and files that were uploaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from openai import OpenAI

from whet.server.application import create_app
from whet.server.files.content import Contents
from whet.server.files.records import NewFile, insert_file, new_file_id
from whet.server.service import Service
from whet.server.settings import Settings

Upload = Callable[..., str]


class Served:
    """A running service, and clients for its projects."""

    def __init__(self, http: TestClient) -> None:
        self.http = http
        self.service: Service = http.app.state.service  # type: ignore[attr-defined]

    def client(self, project: str = "default", scopes: tuple[str, ...] = ("infer", "train")) -> OpenAI:
        _, secret = self.service.keys.create("k", project, scopes)
        url = "http://testserver/v1"
        return OpenAI(
            api_key=secret, base_url=url, http_client=self.http, max_retries=0, _strict_response_validation=True
        )

    def upload(self, text: str, name: str = "notes.txt", project: str = "default") -> str:
        """As /v1/files would, without its chores."""
        contents, made = Contents(self.service.settings.files, 1 << 24), new_file_id()
        sha256 = contents.add(made, text.encode())
        with self.service.database.write() as connection:
            now = self.service.database.now(connection)
            from whet.server.access.keys import project_of

            new = NewFile(name, "assistants", len(text.encode()), sha256)
            insert_file(connection, project_of(connection, project, now), made, new, now)
        return made


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    open_now = []

    def start(home: str = "home", **given: Any) -> Served:
        http = TestClient(create_app(Settings(home=tmp_path / home, workers=0, **given)))
        http.__enter__()
        open_now.append(http)
        return Served(http)

    yield start
    for http in open_now:
        http.__exit__(None, None, None)


@pytest.fixture
def served(serve: Callable[..., Served]) -> Served:
    return serve()
