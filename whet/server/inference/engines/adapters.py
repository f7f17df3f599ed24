"""Adapters in an engine: loaded by its own calls at first use, proved there, and taken out by least use.

vLLM: POST /v1/load_lora_adapter {lora_name, lora_path}, /v1/unload_lora_adapter {lora_name}; it is started with
--enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True. SGLang: the same calls beside /v1, and an adapter is asked for
as BASE:ADAPTER.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from whet.errors import ModelError
from whet.server.errors import ApiError
from whet.server.inference.engines.client import EngineClient
from whet.server.inference.engines.kinds import Calls

LOAD = {"vllm": "/load_lora_adapter", "sglang": "../load_lora_adapter"}
UNLOAD = {"vllm": "/unload_lora_adapter", "sglang": "../unload_lora_adapter"}
REFUSALS = (400, 404, 502)
"""What ApiError makes of an engine that does not load an adapter; others say that it is busy or away."""
log = logging.getLogger("whet.server")


@dataclass(frozen=True, slots=True)
class Adapter:
    name: str
    """In the engine: it tells weights apart, so that another training never answers under an old name."""
    folder: Path
    base: str
    """The name of the base in the engine."""
    prove: Callable[[str], Awaitable[None]]
    """Raises ProofError where what the engine serves under a name is not what was trained."""


@dataclass(eq=False, slots=True)
class _Held:
    ready: asyncio.Task[None]
    """Done without an error: loaded and proved."""
    users: int = 0


class EngineAdapters:
    """At most `most` in the engine at once. Used in one event loop."""

    def __init__(self, client: EngineClient, calls: Calls, most: int) -> None:
        self.client, self.calls, self.most = client, calls, most
        self._held: OrderedDict[str, _Held] = OrderedDict()
        """By least use."""
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """By name: what is being taken out is not taken for loaded."""

    @asynccontextmanager
    async def using(self, adapter: Adapter) -> AsyncGenerator[str]:
        """What the engine is asked for; within this block the adapter stays there. Raises ProofError, ModelError for
        one that is not served, ApiError where the engine is away, or all places are taken."""
        held = self._held.get(adapter.name)
        if held is None:
            await self._make_room()
            held = self._held.get(adapter.name)
        if held is None:
            held = self._held[adapter.name] = _Held(asyncio.create_task(self._take_in(adapter)))
            held.ready.add_done_callback(_look_at)

        self._held.move_to_end(adapter.name)
        held.users += 1
        try:
            await asyncio.shield(held.ready)
            yield self.asked_as(adapter)
        finally:
            held.users -= 1

    def forget(self, adapter: Adapter) -> None:
        """The engine has lost it: the next request loads it again."""
        held = self._held.get(adapter.name)
        if held is not None and held.ready.done():
            del self._held[adapter.name]

    def asked_as(self, adapter: Adapter) -> str:
        return f"{adapter.base}:{adapter.name}" if self.calls == "sglang" else adapter.name

    async def close(self) -> None:
        """They stay in the engine, where they are found again."""
        for held in self._held.values():
            held.ready.cancel()
        await asyncio.gather(*(held.ready for held in self._held.values()), return_exceptions=True)

    async def _take_in(self, adapter: Adapter) -> None:
        async with self._turns[adapter.name]:
            try:
                await self._load(adapter)
                await adapter.prove(self.asked_as(adapter))
            except BaseException:
                self._held.pop(adapter.name, None)
                await self._unload(adapter.name)
                raise

    async def _load(self, adapter: Adapter) -> None:
        """What is there from an earlier life of the service is taken as it is: the proof sees whether it is the one."""
        answer = await self.client.get("/models")
        listed = answer.get("data") if isinstance(answer, dict) else None
        if any(isinstance(one, dict) and one.get("id") == adapter.name for one in listed or []):
            return
        body = {"lora_name": adapter.name, "lora_path": str(adapter.folder.resolve())}
        try:
            await self.client.post(LOAD[self.calls], body)
        except ApiError as error:
            if error.status not in REFUSALS:
                raise
            fix = "start the engine so that it takes adapters (docs/running/engines.md), with this folder in its sight"
            said = {"value": error.message, "fix": fix}  # for the log: engines say where the files lie
            raise ModelError("the engine does not load the adapter", **said) from error
        log.info("adapter %s is in the engine", adapter.name)

    async def _make_room(self) -> None:
        """Raises ApiError 429 where nothing can leave."""
        while len(self._held) >= self.most:
            idle = next((name for name, held in self._held.items() if not held.users and held.ready.done()), None)
            if idle is None:
                what = f"All {self.most} adapters in the engine are answering: try again later."
                raise ApiError(429, what, code="server_busy", headers={"Retry-After": "1"})
            del self._held[idle]
            async with self._turns[idle]:
                await self._unload(idle)

    async def _unload(self, name: str) -> None:
        """An adapter that cannot be taken out does no harm: nobody is told its name."""
        try:
            await self.client.post(UNLOAD[self.calls], {"lora_name": name})
        except ApiError as error:
            log.warning("adapter %s stays in the engine: %s", name, error.message)


def _look_at(task: asyncio.Task[None]) -> None:
    """Its error is told to whoever waits; where nobody does any more, it is no news."""
    if not task.cancelled():
        task.exception()
