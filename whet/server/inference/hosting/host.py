"""One base and the thread that writes with it for everybody at once.

The thread owns the model and its OpenBatch; requests come to it as commands, and their tokens go back into the event
loop that waits for them. What goes wrong in the batch ends the answers that were in it, and the thread goes on with a
new batch.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from whet.errors import ModelError, WhetError
from whet.generation.serving.open_batch import OpenBatch
from whet.generation.serving.request import AnswerRequest, WrittenToken
from whet.model.base import Base
from whet.server.errors import ApiError, of_whet
from whet.server.inference.hosting.ticket import Ticket, deliver

LONGEST_LOADING = 30.0
"""Seconds. An interpreter that ends around a thread that loads a base aborts."""
log = logging.getLogger("whet.server")


class Host:
    """`open_base` is called in the thread. `slots`, `most_waiting` and `request_seconds` as in Settings."""

    def __init__(
        self,
        name: str,
        open_base: Callable[[], Base],
        *,
        slots: int = 32,
        most_waiting: int = 256,
        request_seconds: float = 600.0,
    ) -> None:
        self.name, self.slots, self.most_waiting, self.request_seconds = name, slots, most_waiting, request_seconds
        self.adapters: dict[str, Path] = {}
        """Folders of adapters by their name in the batch; whoever asks for one puts it here first. The batch keeps as
        many in memory as there is room for, and reads the others again when they are asked."""
        self.used = time.monotonic()
        self.opened: Future[Base] = Future()
        self._open_base = open_base
        self._batch: OpenBatch | None = None
        self._loaded: set[str] = set()
        """Adapters that the batch knows."""
        self._commands: deque[tuple[str, Ticket]] = deque()
        self._inside: set[Ticket] = set()
        self._live: dict[int, Ticket] = {}
        self._changed = threading.Condition()
        self._closing = False
        self._seconds = 1.0
        """Of an answer, as it goes lately: what Retry-After is reckoned from."""
        self._thread = threading.Thread(target=self._run, name=f"whet-host-{name}", daemon=True)
        self._thread.start()

    # ---- for requests, in an event loop

    async def base(self) -> Base:
        """Once it is loaded. Raises WhetError where it cannot be."""
        return await asyncio.shield(asyncio.wrap_future(self.opened))

    def enter(self, request: AnswerRequest, *, always: bool = False) -> Ticket:
        """Hands a request in. Raises ApiError 429 where too many wait (unless `always`), 503 on the way down."""
        ticket = Ticket(request, time.monotonic() + self.request_seconds, self._leave)
        with self._changed:
            if self._closing:
                raise ApiError(503, "The service is stopping.", code="server_stopping", headers={"Retry-After": "5"})
            if not always and len(self._inside) >= self.slots + self.most_waiting:
                what = f"{len(self._inside):,} requests wait for this model already: try again later."
                raise ApiError(429, what, code="server_busy", headers={"Retry-After": str(self._retry_after())})

            self.used = time.monotonic()
            self._inside.add(ticket)
            self._commands.append(("enter", ticket))
            self._changed.notify()
        return ticket

    @property
    def capacity(self) -> int:
        """Most tokens of a prompt with its answer, once it is opened."""
        assert self._batch is not None
        return self._batch.capacity

    @property
    def waiting(self) -> int:
        """Requests without a slot."""
        return max(0, len(self._inside) - self.running)

    @property
    def running(self) -> int:
        return self._batch.running if self._batch else 0

    @property
    def kv_use(self) -> float:
        """Share of the cache that is used."""
        return self._batch.kv_use if self._batch else 0.0

    @property
    def idle(self) -> bool:
        return not self._inside

    @property
    def broken(self) -> bool:
        """Its base could not be loaded, or it was closed."""
        return not self._thread.is_alive()

    def close(self, seconds: float = 0.0) -> None:
        """Ends the thread, once its answers have ended, or after so many seconds."""
        until = time.monotonic() + seconds
        with self._changed:
            self._closing = True
            self._changed.notify()
            while self._inside and time.monotonic() < until:
                self._changed.wait(until - time.monotonic())
            self._commands.clear()
            stuck = list(self._inside)
            self._inside.clear()
            self._changed.notify()
        stopping = ApiError(503, "The service stopped before this answer ended.", code="server_stopping")
        deliver([(ticket, stopping) for ticket in stuck])
        if self.opened.done():
            self._thread.join(timeout=10.0)

    def await_end(self) -> None:
        """Once it is closed: blocks until its thread has ended, also where that still loads its base."""
        self._thread.join(LONGEST_LOADING)

    def _leave(self, ticket: Ticket) -> None:
        with self._changed:
            if ticket in self._inside:
                self._commands.append(("leave", ticket))
                self._changed.notify()

    def _retry_after(self) -> int:
        """Seconds in which those that wait now should have had their turn."""
        rounds = len(self._inside) / max(1, self.slots)
        return max(1, min(60, math.ceil(self._seconds * rounds)))

    # ---- the thread

    def _run(self) -> None:
        try:
            base = self._open_base()
            self._batch = OpenBatch(base, slots=self.slots)
        except BaseException as error:
            self._give_up(error)
            self.opened.set_exception(error)
            return

        self.opened.set_result(base)
        try:
            while self._obey():
                self._write(base)
        except BaseException as error:
            self._give_up(error)

    def _write(self, base: Base) -> None:
        if not self._live:
            return
        try:
            self._advance()
        except Exception as error:
            log.exception("%s: the batch failed with %d answers in it", self.name, len(self._live))
            self._begin_anew(base, error)

    def _give_up(self, error: BaseException) -> None:
        """The thread ends; the next request makes a new host."""
        if not isinstance(error, WhetError):
            log.error("%s cannot write", self.name, exc_info=error)
        with self._changed:
            self._closing = True
            inside = list(self._inside)
            self._inside.clear()
        deliver([(ticket, as_api_error(error)) for ticket in inside])

    def _obey(self) -> bool:
        """Carries commands out, and waits for some while there is nothing to write. False: it is time to end."""
        with self._changed:
            while not self._commands and not self._live:
                if self._closing:
                    return False
                self._changed.wait()
            commands = list(self._commands)
            self._commands.clear()
            if self._closing and not self._inside:
                return False

        for command, ticket in commands:
            if command == "enter":
                self._let_in(ticket)
            else:
                self._let_go(ticket)
        return True

    def _let_in(self, ticket: Ticket) -> None:
        assert self._batch is not None
        if ticket not in self._inside:
            return
        try:
            if ticket.request.adapter is not None:
                self._load(ticket.request.adapter)
            ticket.handle = self._batch.enter(ticket.request)
        except Exception as error:  # of this request alone: its adapter, its prompt, its guide
            if not isinstance(error, WhetError):
                log.error("%s: a request could not enter", self.name, exc_info=error)
            self._end([(ticket, self._not_let_in(ticket.request, error))])
            return
        self._live[ticket.handle] = ticket

    def _not_let_in(self, request: AnswerRequest, error: Exception) -> ApiError:
        """A file of an adapter that is gone or changed is not what is wrong with a request."""
        if request.adapter is None or not isinstance(error, ModelError):
            return as_api_error(error)
        log.warning("%s: an adapter is not served: %s", self.name, error)
        what = f"The model is not served, because its adapter could not be proved: {error.what}."
        return ApiError(503, what, code="model_not_proved", param="model", headers={"x-should-retry": "false"})

    def _let_go(self, ticket: Ticket) -> None:
        if ticket.handle is not None:
            assert self._batch is not None
            self._batch.leave(ticket.handle)
        self._forget(ticket)

    def _load(self, adapter: str) -> None:
        assert self._batch is not None
        if adapter not in self._loaded:
            self._batch.load_adapter(adapter, self.adapters[adapter])
            self._loaded.add(adapter)

    def _advance(self) -> None:
        assert self._batch is not None
        letters: list[tuple[Ticket, WrittenToken | ApiError]] = []
        ended = []
        for written in self._batch.advance():
            ticket = self._live.get(written.request)
            if ticket is None:
                continue
            letters.append((ticket, written))
            if written.end is not None:
                self._seconds += 0.1 * (time.monotonic() - ticket.began - self._seconds)
                ended.append(ticket)

        deliver(letters)
        for ticket in ended:
            self._forget(ticket)
        self._end_late()

    def _end_late(self) -> None:
        now = time.monotonic()
        for ticket in [one for one in self._live.values() if one.deadline < now]:
            what = f"The answer took longer than {self.request_seconds:g} seconds, and was ended."
            late = ApiError(504, what, code="timeout", headers={"x-should-retry": "false"})
            self._let_go(ticket)
            deliver([(ticket, late)])

    def _begin_anew(self, base: Base, error: Exception) -> None:
        """Nothing of a batch that failed is used again."""
        failed = list(self._live.values())
        self._live.clear()
        self._loaded.clear()
        self._end([(ticket, as_api_error(error)) for ticket in failed])
        self._batch = OpenBatch(base, slots=self.slots)

    def _end(self, letters: list[tuple[Ticket, WrittenToken | ApiError]]) -> None:
        deliver(letters)
        for ticket, _ in letters:
            self._forget(ticket)

    def _forget(self, ticket: Ticket) -> None:
        with self._changed:
            if ticket.handle is not None:
                self._live.pop(ticket.handle, None)
                ticket.handle = None
            self._inside.discard(ticket)
            self._changed.notify_all()


def as_api_error(error: BaseException) -> ApiError:
    """What a request is told of what happened in the thread."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, WhetError):
        return of_whet(error)
    return ApiError(500, "The service failed at this answer; its log says why.", code="internal_error")
