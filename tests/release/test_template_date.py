"""A template that writes the date: a proof on another day holds, and one of another template does not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from transformers.utils import chat_template_utils

import whet
from tests.release.made_runs import DATE, TRAINED
from whet.data.render.renderer import Renderer
from whet.errors import ProofError
from whet.model.base import saved_tokenizer
from whet.observer import Silent
from whet.release.consumers.llama_cpp import LlamaCpp
from whet.release.consumers.protocol import Served
from whet.release.consumers.template_date import as_of, of_other_days, standing_still
from whet.release.golden import Golden
from whet.release.golden_of_run import golden_of
from whet.store.run import Run


@pytest.fixture(scope="module")
def golden(dated: Run) -> Golden:
    return golden_of(dated, Silent())


@pytest.fixture(scope="module")
def export(dated: Run) -> Iterator[Path]:
    yield Path(whet.export(dated, "adapter")["folder"])


def test_a_proof_on_another_day_holds(golden: Golden, export: Path) -> None:
    assert all("Today is 04 Mar 2025." in case.prompt.text for case in golden.cases)
    (proof,) = whet.prove(export)["exports"][0]["proofs"]
    assert proof["passed"] and proof["measured"]["ids_equal"] == proof["measured"]["ids_compared"] == len(golden.cases)


def test_another_template_still_fails(export: Path) -> None:
    file = export / "chat_template.jinja"
    right = file.read_text("utf-8")
    file.write_text(right.replace("Today is", "It is"), "utf-8")
    with pytest.raises(ProofError):
        whet.prove(export)
    file.write_text(right.replace("%d %b %Y", "%Y-%m-%d"), "utf-8")
    with pytest.raises(ProofError):
        whet.prove(export)
    file.write_text(right, "utf-8")
    assert whet.prove(export)["proved"]


def test_the_clock_runs_again_after_it() -> None:
    module: Any = chat_template_utils
    with standing_still("2025-03-04T12:00:00"):
        assert module.datetime.now() == TRAINED
    assert module.datetime is datetime


def test_llama_cpp_is_asked_as_of_that_day(dated: Run, golden: Golden) -> None:
    pytest.importorskip("xllamacpp")
    folder = Path(whet.export(dated, "gguf", type="f16")["folder"])
    opened = LlamaCpp(Served(folder=folder, main="model.gguf", clock=golden.clock))
    today = LlamaCpp(Served(folder=folder, main="model.gguf"))
    messages = golden.cases[0].prompt.messages or []
    try:
        assert opened.render(messages, None) == golden.cases[0].prompt.ids != today.render(messages, None)
    finally:
        opened.close()
        today.close()


def test_a_server_may_say_what_the_template_says_today(dated: Run, golden: Golden) -> None:
    renderer = Renderer(saved_tokenizer(dated.model), clock=TRAINED)
    now = datetime(2026, 7, 1, 23)
    known = of_other_days(golden, renderer, now)
    (case, *_) = golden.cases
    for day in (30, 1, 2):  # the server's time zone is not told
        clock = now.replace(day=day, month=6 if day == 30 else 7)
        ids = Renderer(saved_tokenizer(dated.model), clock=clock).prompt_ids(case.prompt.messages or [], None)
        assert ids != case.prompt.ids and known[tuple(ids)] == case.prompt.ids
    later = Renderer(saved_tokenizer(dated.model), clock=now.replace(day=9))
    assert tuple(later.prompt_ids(case.prompt.messages or [], None)) not in known


def test_only_the_forms_of_the_template_are_taken_back() -> None:
    now = datetime(2026, 7, 1)
    text = "Today is 01 Jul 2026. Order 2026-07-01."
    assert as_of("2025-03-04", text, [DATE], now) == "Today is 04 Mar 2025. Order 2026-07-01."
    assert as_of("2025-03-04", text, ["no date"], now) == as_of("", text, [DATE], now) == text
