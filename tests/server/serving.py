"""A service in a thread of the test, over a real socket, and the official client of it."""

from __future__ import annotations

import asyncio
import io
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from openai import OpenAI

from whet.server.application import create_app
from whet.server.service import Service
from whet.server.settings import Settings
from whet.server.telemetry.opening import Telemetry

LONGEST_END = 180.0
"""Seconds that a server may take to end, with its workers, on a machine that does much else."""


@dataclass
class Served:
    service: Service
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def client(self, key: str = "none", strict: bool = True) -> OpenAI:
        """The official client; `strict` refuses answers that are not what its types say."""
        return OpenAI(base_url=self.url, api_key=key, max_retries=0, _strict_response_validation=strict)


@contextmanager
def in_a_thread(app: FastAPI) -> Iterator[int]:
    """The port at which the application is served."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=5))
    loops: list[asyncio.AbstractEventLoop] = []

    async def run() -> None:
        loops.append(asyncio.get_running_loop())
        await server.serve()

    thread = threading.Thread(target=asyncio.run, args=(run(),), daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server ended at its start"
        time.sleep(0.02)

    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(LONGEST_END)
        assert not thread.is_alive(), f"the server does not end: {_waits_for(loops[0])}"


def _waits_for(loop: asyncio.AbstractEventLoop) -> str:
    """Where each of its tasks stands, and each thread of this process: what a task waits for may be one of them."""
    told = io.StringIO()
    for task in asyncio.all_tasks(loop):
        task.print_stack(file=told)
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in sys._current_frames().items():
        told.write(f"{names.get(ident, 'unknown thread')}:\n")
        traceback.print_stack(frame, limit=-12, file=told)
    return told.getvalue()


@contextmanager
def served(home: Path, telemetry: Telemetry | None = None, **settings: Any) -> Iterator[Served]:
    """Without keys and workers, unless the test says otherwise."""
    app = create_app(Settings(home, **{"auth": False, "workers": 0, **settings}), telemetry)
    with in_a_thread(app) as port:
        yield Served(app.state.service, port)
