"""One service that keeps texts, for all tests that ask it: nano, two classifiers, two projects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2 as httpx
import pytest
from openai import OpenAI

from tests.server.inference.small_classifier import make_classifier
from tests.server.serving import Served, served
from whet.server.access.keys import project_of
from whet.server.database.tuned_models import add_model

MOOD, HARM = "ft:nano:default:mood:xyz789", "ft:nano:default:harm:xyz789"


@dataclass
class Asked:
    """The service with a key of the project "default", and one of "elsewhere"."""

    served: Served
    key: str
    other_key: str
    admin: str

    def client(self, key: str | None = None) -> OpenAI:
        return self.served.client(key or self.key)

    def send(self, method: str, path: str, key: str | None = None, **given: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {key or self.key}"} | given.pop("headers", {})
        return httpx.request(method, self.served.url + path, headers=headers, timeout=60, **given)

    def trace(self, name: str) -> dict[str, Any]:
        answer = self.send("GET", f"/traces/{name}")
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="session")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    home = tmp_path_factory.mktemp("service")
    with served(home, auth=True, traces="content", aliases={"gpt-4o-mini": "nano"}) as opened:
        service = opened.service
        keys = [
            service.keys.create("k", project, scopes)[1]
            for project, scopes in (
                ("default", ["infer", "train"]),
                ("elsewhere", ["infer", "train"]),
                ("default", ["admin"]),
            )
        ]
        for name, task in ((MOOD, "single"), (HARM, "multi-label")):
            folder = make_classifier(tmp_path_factory.mktemp(task), task)
            with service.database.write() as connection:
                owner = project_of(connection, "default", 1.0)
                add_model(connection, name, owner, "nano", folder, service.database.now(connection))
        yield Asked(opened, *keys)
