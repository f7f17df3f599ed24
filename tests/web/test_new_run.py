"""The form of a new run, filled in as a job was asked for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from whet.recipe.yaml_text import parse
from whet.server.jobs.request import JobBody
from whet.web.new_run.form import Form, address_of, form_of

OWN = {"keep": False, "format": "chat", "learning_rate": 0.002, "evaluate": {"forgetting": False}}
EPOCHS = {"hyperparameters": {"n_epochs": 3}}


def form_again(**asked: Any) -> Form:
    body = JobBody.model_validate({"model": "nano", "training_file": "file-1", "suffix": "desk", "whet": OWN, **asked})
    told = body.told() | {"trace": {"traceparent": "00"}}
    job: Any = SimpleNamespace(request=told, training_file="file-1", model="nano", suffix="desk")
    return form_of(dict(parse_qsl(urlsplit(address_of(job)).query)))


@pytest.mark.parametrize(
    "method", [EPOCHS, *({"method": {"type": kind, kind: EPOCHS}} for kind in ("dpo", "supervised"))]
)
def test_again_says_all_that_was_asked_for(method: dict[str, Any]) -> None:
    form = form_again(**method)
    assert (form.file, form.base, form.name, form.epochs) == ("file-1", "nano", "desk", "3")
    assert form.keys == {"learning_rate": "0.002"}
    assert parse(form.more, "more")[0] == {key: OWN[key] for key in ("keep", "format", "evaluate")}
