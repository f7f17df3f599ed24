"""Adapters are pushed into vLLM and SGLang by their own calls, and proved there before they answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import copytree
from typing import Any, Literal

import openai
import pytest

from tests.server.inference.conftest import TUNED
from tests.server.inference.conftest import Served as Upstream
from tests.server.inference.stand_in_engine import StandIn, stand_in
from tests.server.serving import Served
from tests.server.serving import served as front_of
from whet.release.golden import FILE
from whet.server.database.tuned_models import add_model
from whet.store.checksums import seal
from whet.store.run import Run

DESK, OTHER = "ft:nano:default:desk:abc", "ft:nano:default:other:xyz"
ASK: dict[str, Any] = {
    "messages": [{"role": "user", "content": "Where can I change my password?"}], "temperature": 0, "max_tokens": 12,
}  # fmt: skip


LONG: dict[str, Any] = {"max_tokens": 900, "logit_bias": {"1": -100}}
"""An answer that never ends by itself."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, in_float32: None) -> Iterator[StandIn]:
    with stand_in(tmp_path_factory.mktemp("vllm")) as engine:
        yield engine


@pytest.fixture
def vllm(shared: StandIn) -> StandIn:
    """An engine that holds nothing, and does as it says."""
    for name in list(shared.adapters):
        shared.forget(name)
    shared.calls.clear()
    shared.kind, shared.lying = "vllm", False
    return shared


@pytest.fixture
def wanted(served: Upstream) -> str:
    """What the tuned model says by the built-in engine."""
    return served.client().chat.completions.create(model=TUNED, **ASK).choices[0].message.content or ""


def own(front: Served, name: str, folder: Path) -> None:
    """As a job that is done leaves it."""
    service = front.service
    caller = service.keys.verify(service.keys.create("own", "default", ("infer",))[1])
    assert caller is not None
    with service.database.write() as connection:
        add_model(connection, name, caller.project, "nano", folder, service.database.now(connection))


def said(front: Served, model: str) -> str:
    return front.client().chat.completions.create(model=model, **ASK).choices[0].message.content or ""


def refused(front: Served, model: str, code: str, word: str) -> None:
    with pytest.raises(openai.InternalServerError) as told:
        said(front, model)
    assert (told.value.status_code, told.value.code) == (503, code) and word in str(told.value), told.value
    assert "/" not in told.value.message.replace("503 - ", ""), "where files lie is the log's to say"


@pytest.mark.parametrize("kind", ["vllm", "sglang"])
def test_an_adapter_is_pushed_and_proved_and_answers(
    vllm: StandIn, wanted: str, brief_run: Run, tmp_path: Path, kind: Literal["vllm", "sglang"]
) -> None:
    vllm.kind = kind
    with front_of(tmp_path, engine=vllm.url) as front:
        own(front, DESK, brief_run.folder)
        with ThreadPoolExecutor(4) as pool:
            answers = set(pool.map(lambda _: said(front, DESK), range(4)))
        assert answers == {wanted} and wanted != said(front, "nano")
        assert [call for call, _ in vllm.calls] == ["load"], "four ask at once, and it is loaded once"
        ((there, folder),) = vllm.adapters.items()
        assert folder == str(brief_run.model) and ":" not in there


def test_an_engine_that_says_it_loaded_and_answers_as_the_base_is_found(
    vllm: StandIn, brief_run: Run, tmp_path: Path
) -> None:
    vllm.lying = True
    with front_of(tmp_path, engine=vllm.url) as front:
        own(front, DESK, brief_run.folder)
        refused(front, DESK, "model_not_proved", "base-answers")
        refused(front, DESK, "model_not_proved", "base-answers")
        assert [call for call, _ in vllm.calls] == ["load", "unload"], "it is taken out, and not tried at each request"
        assert said(front, "nano")


def test_adapters_of_least_use_leave_and_come_back(vllm: StandIn, wanted: str, brief_run: Run, tmp_path: Path) -> None:
    twin = Path(copytree(brief_run.folder, tmp_path / "twin"))
    with front_of(tmp_path / "front", engine=vllm.url, engine_adapters=1) as front:
        own(front, DESK, brief_run.folder)
        own(front, OTHER, twin)
        assert said(front, DESK) == said(front, OTHER) == said(front, DESK) == wanted
        with front.client().chat.completions.create(model=DESK, stream=True, **ASK | LONG) as stream:
            next(iter(stream))
            with pytest.raises(openai.RateLimitError) as told:
                said(front, OTHER)
            assert told.value.code == "server_busy" and told.value.response.headers["retry-after"]
        assert [call for call, _ in vllm.calls] == ["load", "unload", "load", "unload", "load"]
        assert len({name for _, name in vllm.calls}) == 2 and len(vllm.adapters) == 1


def test_what_an_engine_lost_at_a_restart_is_loaded_again(
    vllm: StandIn, wanted: str, brief_run: Run, tmp_path: Path
) -> None:
    with front_of(tmp_path, engine=vllm.url) as front:
        own(front, DESK, brief_run.folder)
        assert said(front, DESK) == wanted
        vllm.forget(*vllm.adapters)
        assert said(front, DESK) == wanted, "no client hears of it"
        assert [call for call, _ in vllm.calls] == ["load", "load"]


def test_what_an_earlier_service_left_is_proved_and_taken(
    vllm: StandIn, wanted: str, brief_run: Run, tmp_path: Path
) -> None:
    for _ in range(2):
        with front_of(tmp_path, engine=vllm.url) as front:
            if not vllm.adapters:
                own(front, DESK, brief_run.folder)
            assert said(front, DESK) == wanted
    assert [call for call, _ in vllm.calls] == ["load"]


def test_an_adapter_of_another_scale_is_found(vllm: StandIn, brief_run: Run, tmp_path: Path) -> None:
    """Its checksums say that all is well, and its golden answers are of another scale."""
    folder = Path(copytree(brief_run.folder, tmp_path / "twice"))
    path = folder / "model" / "adapter_config.json"
    config = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(config | {"lora_alpha": 2 * config["lora_alpha"]}), "utf-8")
    seal(folder / "model")
    with front_of(tmp_path / "front", engine=vllm.url) as front:
        own(front, DESK, folder)
        refused(front, DESK, "model_not_proved", "does not answer as it did in training")


def test_what_cannot_be_proved_is_not_served(vllm: StandIn, brief_run: Run, tmp_path: Path) -> None:
    folder = Path(copytree(brief_run.folder, tmp_path / "bare"))
    (folder / FILE).unlink()
    with front_of(tmp_path / "front", engine=vllm.url) as front:
        own(front, DESK, folder)
        refused(front, DESK, "model_not_proved", "no golden answers")
        assert str(tmp_path) not in json.dumps(vllm.models())


def test_an_engine_without_calls_for_adapters_says_so(
    vllm: StandIn, brief_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As vLLM without VLLM_ALLOW_RUNTIME_LORA_UPDATING: there is nothing at the path."""
    monkeypatch.setattr(StandIn, "load", lambda self, body: (404, {"detail": f"Not Found: {body['lora_path']}"}))
    with front_of(tmp_path, engine=vllm.url) as front:
        own(front, DESK, brief_run.folder)
        refused(front, DESK, "model_not_loaded", "the engine does not load the adapter.")
    assert f"Not Found: {brief_run.model}" in caplog.text, "where files lie is the log's to say"


@pytest.mark.parametrize("path", ["/v1/completions", "/tokenize"])
def test_what_an_engine_does_not_tell_is_no_proof(
    vllm: StandIn, brief_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    told = StandIn.routes.fget  # type: ignore[attr-defined]
    silent = {path: lambda body: (404, {"detail": "Not Found"})}
    if path == "/v1/completions":
        silent = {path: lambda body: (400, {"error": {"message": "no echo"}}) if body.get("echo") else None}
    monkeypatch.setattr(StandIn, "routes", property(lambda self: told(self) | silent))
    with front_of(tmp_path, engine=vllm.url) as front:
        own(front, DESK, brief_run.folder)
        if path == "/tokenize":
            assert said(front, DESK), "ids may stay untold: the log says so"
        else:
            refused(front, DESK, "model_not_proved", "tells no log-probabilities")
