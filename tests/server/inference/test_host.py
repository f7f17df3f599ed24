"""The thread that writes: what goes wrong in it, who waits too long, who leaves. The batch here is a stand-in."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from whet.errors import InputError, ModelError
from whet.generation.serving.request import AnswerRequest, WrittenToken
from whet.server.errors import ApiError
from whet.server.inference.hosting import host as hosting
from whet.server.inference.hosting.host import Host
from whet.server.inference.hosting.ticket import Ticket


class StandIn:
    """Writes the numbers 1, 2, 3 ... for everybody, up to the limit; token 13 in a prompt breaks it."""

    made: list[StandIn] = []
    pause = 0.001

    def __init__(self, base: Any, *, slots: int) -> None:
        self.live: dict[int, list[Any]] = {}
        self.loaded: list[str] = []
        self.slots, self.handles, self.kv_use, self.capacity = slots, 0, 0.0, 1024
        StandIn.made.append(self)

    def load_adapter(self, name: str, folder: Path) -> None:
        if name == "broken":
            raise ModelError("this adapter is broken")
        self.loaded.append(name)

    def enter(self, request: AnswerRequest) -> int:
        if request.prompt == [99]:
            raise InputError("the prompt is not to be read", where="prompt")
        self.handles += 1
        self.live[self.handles] = [request, 0]
        return self.handles

    def leave(self, handle: int) -> None:
        self.live.pop(handle, None)

    def advance(self) -> list[WrittenToken]:
        time.sleep(self.pause)
        written = []
        for handle, state in list(self.live.items())[: self.slots]:
            if state[0].prompt == [13] and state[1] == 2:
                raise RuntimeError("the kernel failed")
            state[1] += 1
            end = "length" if state[1] == state[0].max_new_tokens else None
            written.append(WrittenToken(handle, state[1], -0.5, [], end))
            if end:
                del self.live[handle]
        return written

    @property
    def waiting(self) -> int:
        return max(0, len(self.live) - self.slots)

    @property
    def running(self) -> int:
        return min(len(self.live), self.slots)


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosting, "OpenBatch", StandIn)
    monkeypatch.setattr(StandIn, "made", [])


def request(tokens: int = 5, prompt: int = 1, adapter: str | None = None) -> AnswerRequest:
    return AnswerRequest([prompt], frozenset({0}), tokens, adapter)


async def read(ticket: Ticket) -> list[int]:
    return [written.token async for written in ticket.tokens()]


def with_host(work: Callable[[Host], Awaitable[None]], **options: Any) -> None:
    async def run() -> None:
        host = Host("stand-in", lambda: "a base", **options)  # type: ignore[arg-type]
        try:
            await work(host)
        finally:
            await asyncio.to_thread(host.close)

    asyncio.run(run())


def test_everybody_gets_the_tokens_of_their_own_answer() -> None:
    async def work(host: Host) -> None:
        answers = await asyncio.gather(*(read(host.enter(request(tokens))) for tokens in range(1, 30)))
        assert answers == [list(range(1, tokens + 1)) for tokens in range(1, 30)]
        await _until(lambda: host.idle and host.waiting == 0)

    with_host(work, slots=4)


def test_a_batch_that_fails_ends_its_answers_and_the_host_goes_on() -> None:
    async def work(host: Host) -> None:
        host.adapters["a"] = Path("a")
        results: list[Any] = await asyncio.gather(
            *(read(host.enter(request(9, prompt, "a"))) for prompt in (1, 13)), return_exceptions=True
        )
        assert [(one.status, one.code) for one in results] == [(500, "internal_error")] * 2
        assert await read(host.enter(request(3, 1, "a"))) == [1, 2, 3]
        assert [batch.loaded for batch in StandIn.made] == [["a"], ["a"]], "the new batch knows the adapter, too"

    with_host(work)


@pytest.mark.parametrize(("bad", "status"), [({"prompt": 99}, 400), ({"adapter": "broken"}, 503)])
def test_a_request_that_cannot_enter_harms_no_other(bad: dict[str, Any], status: int) -> None:
    async def work(host: Host) -> None:
        host.adapters["broken"] = Path("broken")
        good = host.enter(request(20))
        with pytest.raises(ApiError) as told:
            await read(host.enter(request(5, **bad)))
        assert told.value.status == status
        assert len(await read(good)) == 20

    with_host(work)


def test_too_many_that_wait_are_told_when_to_come_again() -> None:
    async def work(host: Host) -> None:
        inside = [host.enter(request(50)) for _ in range(5)]
        with pytest.raises(ApiError) as told:
            host.enter(request())
        assert (told.value.status, told.value.code) == (429, "server_busy")
        assert 1 <= int(told.value.headers["Retry-After"]) <= 60
        await asyncio.gather(*map(read, inside))
        assert await read(host.enter(request(2))) == [1, 2]

    with_host(work, slots=2, most_waiting=3)


def test_who_leaves_frees_the_slot() -> None:
    async def work(host: Host) -> None:
        ticket = host.enter(request(100_000))
        async for _ in ticket.tokens():
            break
        await _until(lambda: host.idle)
        assert StandIn.made[0].live == {}

        task = asyncio.create_task(read(host.enter(request(100_000))))
        await asyncio.sleep(0)  # it begins to read
        await _until(lambda: host.running == 1)
        task.cancel()
        await _until(lambda: host.idle and not StandIn.made[0].live)

    with_host(work)


def test_an_answer_that_takes_too_long_is_ended() -> None:
    async def work(host: Host) -> None:
        with pytest.raises(ApiError) as told:
            await read(host.enter(request(100_000)))
        assert (told.value.status, told.value.code) == (504, "timeout")
        await _until(lambda: host.idle)
        assert StandIn.made[0].live == {}

    with_host(work, request_seconds=0.2)


def test_a_base_that_cannot_be_opened_fails_its_requests() -> None:
    def refuse() -> Any:
        raise ModelError("there is no such base")

    async def work() -> None:
        host = Host("none", refuse)
        with pytest.raises(ModelError):
            await host.base()
        await _until(lambda: host.broken)
        with pytest.raises(ApiError):
            await read(host.enter(request()))

    asyncio.run(work())


def test_a_host_that_closes_lets_answers_end_and_takes_no_more() -> None:
    async def work() -> None:
        host = Host("stand-in", lambda: "a base")  # type: ignore[arg-type,return-value]
        reading = asyncio.create_task(read(host.enter(request(100))))
        await _until(lambda: host.running == 1)
        closing = asyncio.create_task(asyncio.to_thread(host.close, 5.0))
        assert len(await reading) == 100
        await closing
        assert host.broken
        with pytest.raises(ApiError) as told:
            host.enter(request())
        assert told.value.status == 503

    asyncio.run(work())


def test_a_host_that_must_close_now_says_so() -> None:
    async def work() -> None:
        host = Host("stand-in", lambda: "a base")  # type: ignore[arg-type,return-value]
        reading = asyncio.create_task(read(host.enter(request(1_000_000))))
        await _until(lambda: host.running == 1)
        await asyncio.to_thread(host.close, 0.05)
        with pytest.raises(ApiError) as told:
            await reading
        assert told.value.status == 503

    asyncio.run(work())


def test_what_is_closed_while_it_loads_is_waited_for_at_the_end_alone() -> None:
    """Room is made in the event loop, which must not wait for a base."""
    loaded = threading.Event()
    host = Host("slow", lambda: loaded.wait(5) and "a base")  # type: ignore[arg-type,return-value]
    began = time.monotonic()
    host.close()
    assert time.monotonic() - began < 2 and not host.broken
    loaded.set()
    host.await_end()
    assert host.broken


async def _until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 5
    while not true():
        assert time.monotonic() < until, "it never came true"
        await asyncio.sleep(0.005)
