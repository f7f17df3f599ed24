"""One service for all these tests: nano, and a folder of runs with two tuned versions that sign their answers by name
alone (each test registers them under a model of its own)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Any

import httpx2 as httpx
import pytest
from safetensors.torch import load_file, save_file

from tests import runs_of_methods
from tests.runs_of_methods import shared_folder
from tests.server.serving import Served, served
from whet.model.saved_model import sums_of_weights
from whet.store import model_registry
from whet.store.checksums import seal
from whet.store.run import Run
from whet.verbs.versions import traffic

QUESTION = [{"role": "user", "content": "Where is order 48213?"}]


@dataclass
class Desk:
    """A named model of the service: version 1 is live, version 2 a candidate."""

    name: str
    served: Served
    root: Path
    key: str
    admin: str
    home: Path

    def send(self, method: str, path: str, key: str | None = None, **given: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {key or self.key}"} | given.pop("headers", {})
        return httpx.request(method, self.served.url + path, headers=headers, timeout=60, **given)

    def ask(self, user: str | None = None, model: str | None = None, **given: Any) -> httpx.Response:
        body = {"model": model or self.name, "messages": QUESTION, "max_tokens": 2, "temperature": 0} | given
        return self.send("POST", "/chat/completions", json=body | ({"user": user} if user else {}))

    def version(self, user: str | None = None, **given: Any) -> int:
        """Which version answers."""
        answer = self.ask(user, **given)
        assert answer.status_code == 200, answer.text
        return int(answer.headers["x-whet-version"].partition("@")[2])

    def begin(self, kind: Any, share: float | None = None, version: int = 2) -> Any:
        return traffic.begin(kind, self.name, version, share, self.root)

    def end(self) -> None:
        traffic.end(self.name, self.root)

    def traces(self, **query: Any) -> list[dict[str, Any]]:
        answer = self.send("GET", "/traces", params={"limit": 100, "order": "asc", "model": self.name} | query)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def counted(self, number: str, **labels: str) -> float:
        """Of this model, at /metrics."""
        registry = self.served.service.metrics.registry
        return registry.get_sample_value(f"whet:{number}_total", {"model_name": self.name} | labels) or 0.0

    def settle(self) -> None:
        """Until no shadow waits or is asked."""
        shadows = self.served.service.traffic.shadows
        while shadows.busy:
            self.send("GET", "/models")


def scaled(run: Run, to: Path, factor: float) -> Run:
    """The same run with other weights, whole and sealed."""
    other = Run(Path(copytree(run.folder, to)))
    file = other.model / "adapter_model.safetensors"
    save_file({name: tensor * factor for name, tensor in load_file(file).items()}, file)
    facts = json.loads((other.model / "whet.json").read_text("utf-8"))
    (other.model / "whet.json").write_text(
        json.dumps(facts | {"weights_sha256": sums_of_weights(other.model)}), "utf-8"
    )
    seal(other.model)
    return other


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs: "first", and "second" with other weights."""
    folder = tmp_path_factory.mktemp("versions")
    sft = runs_of_methods.copy_of_run("sft", shared_folder(tmp_path_factory), tmp_path_factory.mktemp("tuned"))
    first = Run(Path(copytree(sft, folder / "first")))
    scaled(first, folder / "second", 3.0)
    return folder


@pytest.fixture(scope="session")
def opened(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[tuple[Served, str, str, Path]]:
    home = tmp_path_factory.mktemp("service")
    aliases = {"gpt-4o-mini": "aliased"}
    with served(home, auth=True, traces="content", runs=root, aliases=aliases) as service:
        keys = service.service.keys
        _, key = keys.create("k", "default", ["infer", "train"], requests_per_minute=100_000, tokens_per_minute=100_000)
        _, admin = keys.create("a", "default", ["admin"])
        yield service, key, admin, home


@pytest.fixture
def desk(request: pytest.FixtureRequest, opened: tuple[Served, str, str, Path], root: Path) -> Desk:
    """Under the name of the test, or what it asks for."""
    service, key, admin, home = opened
    name = getattr(request, "param", None) or request.node.name.partition("[")[0].removeprefix("test_")[:90]
    for run in ("first", "second"):
        model_registry.register(name, Run(root / run), {"ship": {"answer": "yes"}}, root)
    model_registry.promote(name, 1, root)
    return Desk(name, service, root, key, admin, home)
