"""What `whet serve` is told about an engine, before it starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from whet.cli.verbs.service import serve as verb
from whet.errors import InputError
from whet.server import running
from whet.server.settings import Settings

URL = "http://127.0.0.1:9/v1"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """What services were started with."""
    found: list[Settings] = []
    monkeypatch.setattr(running, "serve", lambda settings, announce, **_: found.append(settings))
    return found


def test_names_of_the_engine_are_models_too(started: list[Settings]) -> None:
    verb.serve(engine=URL, engine_model=["small=gpt-4o-mini"], engine_kind="vllm", engine_adapters=3)
    verb.serve(engine=URL)
    verb.serve(["./base"], engine=URL, engine_model=["base=theirs=q8"])
    small, plain, named = started
    assert (small.models, small.engine_models) == ((), {"small": "gpt-4o-mini"})
    assert (small.engine, small.engine_kind, small.engine_adapters) == (URL, "vllm", 3)
    assert (plain.models, plain.engine_models) == (("nano",), {})
    assert (named.models, named.engine_models) == (("./base",), {"base": "theirs=q8"})


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ({"engine_key": "KEY"}, "--engine-key"), ({"engine_kind": "vllm"}, "--engine-kind"),
        ({"engine_model": ["a=b"]}, "--engine-model"), ({"engine": URL, "engine_model": ["ab"]}, "--engine-model"),
        ({"engine": URL, "documents": Path("docs")}, "--documents"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(started: list[Settings], more: dict[str, Any], where: str) -> None:
    with pytest.raises(InputError) as told:
        verb.serve(**more)
    assert told.value.where == where and not started
