"""A service with documents, OpenAI's own client for it, and files that were uploaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from openai import OpenAI

from whet.server.application import create_app
from whet.server.service import Service
from whet.server.settings import Settings


class Served:
    """A running service, and clients for its projects."""

    def __init__(self, http: TestClient) -> None:
        self.http = http
        self.uploaders: dict[str, OpenAI] = {}
        self.service: Service = http.app.state.service  # type: ignore[attr-defined]

    def client(self, project: str = "default", scopes: tuple[str, ...] = ("infer", "train")) -> OpenAI:
        _, secret = self.service.keys.create("k", project, scopes)
        url = "http://testserver/v1"
        return OpenAI(
            api_key=secret, base_url=url, http_client=self.http, max_retries=0, _strict_response_validation=True
        )

    def upload(self, text: str, name: str = "notes.txt", project: str = "default") -> str:
        if project not in self.uploaders:
            self.uploaders[project] = self.client(project)
        return self.uploaders[project].files.create(file=(name, text.encode()), purpose="assistants").id


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    open_now = []

    def start(home: str = "home", **given: Any) -> Served:
        http = TestClient(create_app(Settings(home=tmp_path / home, workers=0, models=(), **given)))
        http.__enter__()
        open_now.append(http)
        return Served(http)

    yield start
    for http in open_now:
        http.__exit__(None, None, None)


@pytest.fixture
def served(serve: Callable[..., Served]) -> Served:
    return serve()
