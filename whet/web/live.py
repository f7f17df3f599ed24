"""Numbers that move while one looks: a stream of server-sent events, each the HTML of a part of the page.

The part is made anew from the store at each look and sent where it has changed; a page that was away, or whose server
was started again, connects and is given the present state. Nothing is kept for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from whet.web.asked import Asked

LOOK_SECONDS, BEAT_SECONDS = 1.0, 15.0
"""Between two looks; of silence until a comment keeps the connection open."""


Look = Callable[[], tuple[str, bool]]
"""The HTML of the part as it is now, and whether that is how it stays."""


def follow(asked: Asked, look: Look) -> StreamingResponse:
    """Once it stays as it is, that is sent and the stream ends for good.

    The place on the page: `<div data-live="/runs/NAME/live">`.
    """
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(asked, look), media_type="text/event-stream", headers=headers)


async def _events(asked: Asked, look: Look) -> AsyncIterator[str]:
    told, silent = None, 0.0
    while not asked.service.stopping:
        now, over = await run_in_threadpool(look)
        if now != told:
            told, silent = now, 0.0
            yield event(now)
        elif silent >= BEAT_SECONDS:
            silent = 0.0
            yield ": still here\n\n"
        if over:
            yield event("", "over")
            return
        await asyncio.sleep(LOOK_SECONDS)
        silent += LOOK_SECONDS


def event(html: str, name: str = "") -> str:
    lines = "".join(f"data: {line}\n" for line in html.splitlines() or [""])
    return (f"event: {name}\n" if name else "") + lines + "\n"
