"""One service for all these tests: nano, a tuned run of it, a reward model and a classifier; two projects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import torch
from openai import OpenAI

from tests import runs_of_methods
from tests.runs_of_methods import shared_folder
from tests.server.inference.small_classifier import make_classifier
from tests.server.serving import in_a_thread
from whet.data.render.renderer import Renderer
from whet.model.base import saved_tokenizer
from whet.model.open import open_trained
from whet.observer import Silent
from whet.release.golden import FILE, keep_golden
from whet.release.golden_making import golden_answers
from whet.release.golden_prompts import conversations
from whet.server.application import create_app
from whet.server.database.tuned_models import add_model
from whet.server.inference.hosting import weights
from whet.server.service import Service
from whet.server.settings import Settings
from whet.store.run import Run

TUNED = "ft:nano:default:desk:abc123"
MOOD, HARM = "ft:nano:default:mood:xyz789", "ft:nano:default:harm:xyz789"
"""Classifiers: with one class for each text, and with several or none."""
ALIASES = {"gpt-4o-mini": "nano", "omni-moderation-latest": HARM}


@dataclass(frozen=True)
class Served:
    url: str
    key: str
    other_key: str
    """Of another project."""
    service: Service
    tuned: Run
    home: Path

    def client(self, **options: Any) -> Any:
        """The official client, which holds every answer to its types."""
        settings: dict[str, Any] = {"api_key": self.key, "max_retries": 0, "_strict_response_validation": True}
        return OpenAI(base_url=self.url, **settings | options)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def own(self, name: str, folder: Path, key: str | None = None) -> None:
        """As a job that is done does: a row in the table of models."""
        caller = self.service.keys.verify(key or self.key)
        assert caller is not None
        with self.service.database.write() as connection:
            add_model(connection, name, caller.project, "nano", folder, self.service.database.now(connection))


@pytest.fixture(scope="session")
def tuned_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with a few golden answers of its own."""
    run = Run(runs_of_methods.copy_of_run("sft", shared_folder(tmp_path_factory), tmp_path_factory.mktemp("tuned")))
    renderer = Renderer(saved_tokenizer(run.model))
    opened = open_trained(run, renderer=renderer, trust_remote_code=False, kernels=False)
    keep_golden(golden_answers(opened, renderer, conversations(renderer, [], 256)[::6], Silent()), run)
    return run


@pytest.fixture(scope="session")
def brief_run(tmp_path_factory: pytest.TempPathFactory, tuned_run: Run) -> Run:
    """The same with its shortest golden prompt alone: over HTTP, every token of a prompt is read by itself."""
    run = Run(Path(copytree(tuned_run.folder, tmp_path_factory.mktemp("brief") / "brief")))
    golden = json.loads((run.folder / FILE).read_text("utf-8"))
    golden["cases"] = sorted(golden["cases"], key=lambda case: len(case["prompt"]["ids"]))[:1]
    (run.folder / FILE).write_text(json.dumps(golden), "utf-8")
    return run


@pytest.fixture(scope="session")
def in_float32() -> Iterator[None]:
    """Bases are served in float32 on every machine, so that their numbers can be held to a reference."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "choose_dtype", lambda *_: (torch.float32, "a test"))
        yield


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory, tuned_run: Run, in_float32: None) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("service")
    reward = runs_of_methods.copy_of_run("reward", shared_folder(tmp_path_factory), tmp_path_factory.mktemp("scored"))
    settings = Settings(home, models=("nano", str(tuned_run.folder), str(reward)), aliases=ALIASES)
    app = create_app(settings)
    service: Service = app.state.service
    _, key = service.keys.create("test", "default", ("infer", "train"))
    _, other_key = service.keys.create("other", "elsewhere", ("infer", "train"))

    with in_a_thread(app) as port:
        found = Served(f"http://127.0.0.1:{port}/v1", key, other_key, service, tuned_run, home)
        found.own(TUNED, tuned_run.folder)
        found.own(MOOD, make_classifier(tmp_path_factory.mktemp("mood"), "single"))
        found.own(HARM, make_classifier(tmp_path_factory.mktemp("harm"), "multi-label"))
        yield found


@pytest.fixture
def client(served: Served) -> Any:
    return served.client()
