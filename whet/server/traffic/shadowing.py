"""Answers that nobody is told: asked one after the other, when there is room, and left out where there is none."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from whet.server.errors import ApiError
from whet.server.inference.answering import Answering
from whet.server.metrics import Metrics

MOST_WAITING = 64
MOST_BYTES = 32 * 1024 * 1024
"""Requests that may wait, and what their bodies take."""
LOOK_SECONDS = 0.05
"""Between two looks whether there is room."""
log = logging.getLogger("whet.server.traffic")


@dataclass(frozen=True, slots=True)
class Shadow:
    model: str
    version: int
    size: int
    """Bytes of its body."""
    ask: Callable[[], Awaitable[bool]]
    """False: it is not tried any more. Raises ApiError or WhetError where it cannot answer."""


class Shadows:
    """Used in one event loop. People's answers come first: a shadow begins while nobody waits and half of the places
    are free, and takes one place."""

    def __init__(self, answering: Answering, metrics: Metrics) -> None:
        self.answering, self.metrics = answering, metrics
        self._waiting: deque[Shadow] = deque()
        self._bytes = 0
        self._come = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def put(self, shadow: Shadow, kept: bool = True) -> None:
        """Never waits. `kept`: whether anything would be written down."""
        if not kept:
            self._drop(shadow, "traces_off")
            return
        if len(self._waiting) >= MOST_WAITING or self._bytes + shadow.size > MOST_BYTES:
            self._drop(shadow, "queue_full")
            return
        self._waiting.append(shadow)
        self._bytes += shadow.size
        self._come.set()
        if self._task is None:  # in a context of its own: who asked first has nothing to do with the others
            self._task = asyncio.create_task(self._run(), context=contextvars.Context())

    @property
    def busy(self) -> bool:
        """Whether one waits, or is asked."""
        return bool(self._waiting)

    async def close(self) -> None:
        """What waits is left out."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for shadow in self._waiting:
            self._drop(shadow, "stopping")
        self._waiting.clear()

    async def _run(self) -> None:
        while True:
            await self._come.wait()
            while self._waiting:
                while not self.answering.has_room:
                    await asyncio.sleep(LOOK_SECONDS)
                await self._ask(self._waiting[0])
                self._bytes -= self._waiting.popleft().size
            self._come.clear()

    async def _ask(self, shadow: Shadow) -> None:
        try:
            was_tried = await shadow.ask()
        except Exception as error:  # it is nobody's answer: the next one is asked
            told = error.message if isinstance(error, ApiError) else type(error).__name__
            log.warning("%s@%d did not answer as a shadow: %s", shadow.model, shadow.version, told)
            self._drop(shadow, "failed")
            return
        if not was_tried:
            self._drop(shadow, "ended")
            return
        self.metrics.shadow_answers.labels(shadow.model, str(shadow.version)).inc()

    def _drop(self, shadow: Shadow, reason: str) -> None:
        self.metrics.shadows_lost.labels(shadow.model, str(shadow.version), reason).inc()
