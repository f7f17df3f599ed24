"""What schemathesis makes up from our own description of the API never breaks the service."""

from __future__ import annotations

import re
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings

from whet.server.application import create_app
from whet.server.settings import Settings

EXAMPLES = 12
"""Requests made up for each operation."""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Any:
    app = create_app(Settings(home=tmp_path_factory.mktemp("service"), workers=0, auth=False))

    async def started(scope: Any, receive: Any, send: Any) -> None:
        """schemathesis starts and stops an application around each request, and this one is stopped once."""
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        for word in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{word}.complete"})

    return schemathesis.openapi.from_asgi("/openapi.json", started)


def test_every_call_says_what_it_does_to_those_who_use_it(api: Any) -> None:
    for path, methods in api.raw_schema["paths"].items():
        for method, call in methods.items():
            said = call.get("description", "")
            assert said and "Raises" not in said, f"{method} {path}"


def test_no_request_breaks_the_service(api: Any) -> None:
    operations = [found.ok() for found in api.get_all_operations()]
    assert len(operations) > 20
    for operation in operations:

        @given(case=operation.as_strategy())
        @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
        def asked(case: Any) -> None:
            answered(case)

        asked()


def answered(case: Any) -> None:
    answer = case.call(headers={"host": "localhost"})
    assert answer.status_code < 500, f"{case.method} {case.path}: {answer.text}"
    if answer.status_code >= 400:
        error = answer.json()["error"]
        assert set(error) == {"message", "type", "param", "code"} and error["message"]
        assert not re.search(r"Traceback \(most recent", answer.text)  # the word alone may be what was asked for
