"""Many at once, and clients that leave in the middle."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from tests.server.inference.conftest import TUNED, Served
from whet.generation.serving.open_batch import OpenBatch
from whet.generation.serving.request import WrittenToken
from whet.server.inference.hosting.host import Host

LONG = {"model": TUNED, "max_tokens": 900, "logit_bias": {"1": -100}}
"""An answer that never ends by itself."""


def hosts(served: Served) -> list[Host]:
    return list(served.service.answering.hosts.held.values())


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)


def test_sixteen_streams_at_once_are_the_answers_of_one_at_a_time(served: Served) -> None:
    client = served.client()

    def ask(number: int) -> str:
        stream = client.chat.completions.create(
            model=(TUNED, "nano")[number % 2], messages=[{"role": "user", "content": f"Where is order {number}00?"}],
            temperature=0, max_tokens=12, stream=True,
        )  # fmt: skip
        return "".join(chunk.choices[0].delta.content or "" for chunk in stream)

    alone = [ask(number) for number in range(16)]
    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(ask, range(16)))
    assert together == alone
    assert len(set(alone)) > 4, "or nothing would be told apart"


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_frees_its_slot(served: Served, stream: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each token takes a while, so that the answer is not over before anybody looks, however slow the looking is."""
    ask = LONG | {"stream": stream, "messages": [{"role": "user", "content": "go on"}]}
    at_once = OpenBatch.advance

    def slowly(batch: OpenBatch) -> list[WrittenToken]:
        time.sleep(0.05)
        return at_once(batch)

    monkeypatch.setattr(OpenBatch, "advance", slowly)
    with httpx2.Client(base_url=served.url, headers=served.headers) as client:
        if stream:
            with client.stream("POST", "/chat/completions", json=ask) as answer:
                assert answer.status_code == 200, answer.read()
                next(answer.iter_lines())
                until(lambda: any(host.running for host in hosts(served)))
        else:
            with pytest.raises(httpx2.TimeoutException):
                client.post("/chat/completions", json=ask, timeout=1.0)
    until(lambda: all(host.idle and host.running == 0 for host in hosts(served)))  # the whole answer takes far longer


def test_what_fails_within_a_stream_is_an_event(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = LONG | {"stream": True, "messages": [{"role": "user", "content": "go on"}]}
    served.client().chat.completions.create(model=TUNED, messages=[{"role": "user", "content": "a"}], max_tokens=1)
    (host,) = [one for one in hosts(served) if one.adapters]
    batch = host._batch
    assert batch is not None

    def fail() -> None:
        raise RuntimeError("the kernel failed")

    with (
        httpx2.Client(base_url=served.url, headers=served.headers) as client,
        client.stream("POST", "/chat/completions", json=ask) as answer,
    ):
        lines = (line for line in answer.iter_lines() if line)
        next(lines)
        monkeypatch.setattr(batch, "advance", fail)
        rest = list(lines)
    assert json.loads(rest[-2].removeprefix("data: "))["error"]["code"] == "internal_error"
    assert rest[-1] == "data: [DONE]"
    after = served.client().chat.completions.create(
        model=TUNED, messages=[{"role": "user", "content": "a"}], max_tokens=2
    )
    assert after.choices[0].finish_reason in ("stop", "length"), "a new batch answers"
