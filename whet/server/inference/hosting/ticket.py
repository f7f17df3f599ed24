"""An answer on its way from the thread that writes to the request that waits for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

from whet.generation.serving.request import AnswerRequest, WrittenToken
from whet.server.errors import ApiError


@dataclass(eq=False, slots=True)
class Ticket:
    """Tokens come into `written` in the event loop of the request, an error as the last thing."""

    request: AnswerRequest
    deadline: float
    """By time.monotonic()."""
    leave: Callable[[Ticket], None]
    """Tells the thread that nobody waits any more; may be called again."""
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    written: asyncio.Queue[WrittenToken | ApiError] = field(default_factory=asyncio.Queue)
    handle: int | None = None
    """In the batch; None while it waits to enter, and once it has left."""
    began: float = field(default_factory=time.monotonic)

    async def tokens(self) -> AsyncGenerator[WrittenToken]:
        """Up to the end of the answer. Raises the ApiError that ended it."""
        try:
            while True:
                written = await self.written.get()
                if isinstance(written, ApiError):
                    raise written
                yield written
                if written.end is not None:
                    return
        finally:
            self.leave(self)


def deliver(letters: list[tuple[Ticket, WrittenToken | ApiError]]) -> None:
    """From any thread: one call into each event loop, however many answers got a token."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Ticket, WrittenToken | ApiError]]] = {}
    for ticket, written in letters:
        by_loop.setdefault(ticket.loop, []).append((ticket, written))
    for loop, mine in by_loop.items():
        try:
            loop.call_soon_threadsafe(_hand_out, mine)
        except RuntimeError:  # the loop is closed: nobody waits there
            continue


def _hand_out(letters: list[tuple[Ticket, WrittenToken | ApiError]]) -> None:
    for ticket, written in letters:
        ticket.written.put_nowait(written)
