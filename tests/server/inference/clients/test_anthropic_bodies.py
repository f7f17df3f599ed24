"""What clients of Anthropic's API send is refused in words that say what to send instead."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests.server.inference.conftest import Served

BODY: dict[str, Any] = {"model": "nano", "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]}
CALLED: list[Any] = [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]


@pytest.mark.parametrize("path", ["/messages", "/messages/count_tokens", "/messages/batches", "/complete"])
def test_its_paths_name_the_one_that_is_there(served: Served, path: str) -> None:
    for headers in ({"x-api-key": served.key, "anthropic-version": "2023-06-01"}, served.headers):
        answer = httpx2.post(f"{served.url}{path}", headers=headers, json=BODY)
        assert answer.status_code == 404, "never 401: its clients send the key in another header"
        assert "/v1/chat/completions" in answer.json()["error"]["message"]
    assert httpx2.post(f"{served.url}{path}/x", json=BODY).status_code == 401


@pytest.mark.parametrize(
    ("more", "param", "instead"),
    [
        ({"system": "Be brief."}, "system", "role 'system'"),
        ({"stop_sequences": ["a"]}, "stop_sequences", "send stop"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "thinking", "leave it out"),
        ({"tools": [{"name": "f", "input_schema": {"type": "object"}}]}, "tools.0", "type: function"),
        (
            {"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": {"type": "any"}},
            "tool_choice",
            "required",
        ),
        ({"messages": [{"role": "assistant", "content": CALLED}]}, "messages.0.content.0", "tool_use"),
    ],
)
def test_its_fields_in_a_chat_are_refused_by_name(
    served: Served, more: dict[str, Any], param: str, instead: str
) -> None:
    answer = httpx2.post(f"{served.url}/chat/completions", headers=served.headers, json={**BODY, **more})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, param) and instead in error["message"]


def test_a_mark_of_what_to_keep_changes_no_answer(served: Served) -> None:
    part = {"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}
    body = {**BODY, "temperature": 0, "messages": [{"role": "user", "content": [part]}]}
    asked = [httpx2.post(f"{served.url}/chat/completions", headers=served.headers, json=one) for one in (body, BODY)]
    marked, plain = (answer.json()["usage"]["prompt_tokens"] for answer in asked)
    assert marked == plain
