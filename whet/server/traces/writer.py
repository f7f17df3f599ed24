"""Answers hand their traces over and go on; one thread writes them, many at a time.

What waits is bounded. When the database is slower than the answers, traces are lost and counted: no answer waits.
"""

from __future__ import annotations

import logging
import threading
from collections import deque

from sqlalchemy.exc import SQLAlchemyError

from whet.server.database.opening import Database
from whet.server.metrics import Metrics
from whet.server.traces.keeping import Retention, insert_traces, prune
from whet.server.traces.record import MOST_CONTENT, TraceRecord

BATCH = 500
"""Traces that are written in one transaction."""
GATHER_SECONDS = 0.25
"""After the first trace, others may come so long."""
IDLE_SECONDS = 60.0
"""Between two looks at what is too old, where nothing is written."""
MOST_WAITING = 10_000
MOST_CHARACTERS = 64 * 1024 * 1024
"""Traces that may wait, and characters of all their texts."""
log = logging.getLogger("whet.server.traces")


class TraceWriter:
    """The thread starts with the first trace, or with `start`, and ends with `close`."""

    def __init__(self, database: Database, metrics: Metrics, retention: Retention, texts: bool) -> None:
        self.database, self.metrics, self.retention, self.texts = database, metrics, retention, texts
        self._waiting: deque[TraceRecord] = deque()
        self._characters = 0
        self._taken, self._done = 0, 0
        """Traces that were put in so far, and of these written or lost."""
        self._changed = threading.Condition()
        self._hurry, self._closing = False, False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        with self._changed:
            self._start()

    def put(self, record: TraceRecord) -> None:
        """Never waits for the database."""
        with self._changed:
            full = len(self._waiting) >= MOST_WAITING or self._characters + record.size > MOST_CHARACTERS
            if self._closing or full:
                self.metrics.traces_lost.labels("stopping" if self._closing else "queue_full").inc()
                return
            self._waiting.append(record)
            self._characters += record.size
            self._taken += 1
            self._start()
            self._changed.notify_all()

    def flush(self, seconds: float) -> None:
        """Returns when everything that was put in before is in the database, or lost, or after so many seconds."""
        with self._changed:
            wanted, self._hurry = self._taken, True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._done >= wanted, seconds)

    def close(self) -> None:
        """What waits is written first."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _start(self) -> None:
        if self._thread is None and not self._closing:
            self._thread = threading.Thread(target=self._run, name="whet-traces", daemon=True)
            self._thread.start()

    # ---- the thread

    def _run(self) -> None:
        more = True
        while True:
            batch = self._next(0.0 if more else IDLE_SECONDS)
            if batch is None:
                return
            if batch:
                self._write(batch)
            more = self._prune()

    def _next(self, seconds: float) -> list[TraceRecord] | None:
        """The next batch; empty where none came in so many seconds, None when all is written and it is time to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing, seconds)
            if not self._waiting:
                return None if self._closing else []

            self._changed.wait_for(self._is_enough, GATHER_SECONDS)
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            self._characters -= sum(record.size for record in batch)
            self._hurry = self._hurry and bool(self._waiting)
            return batch

    def _is_enough(self) -> bool:
        return len(self._waiting) >= BATCH or self._hurry or self._closing

    def _write(self, batch: list[TraceRecord]) -> None:
        try:
            with self.database.write() as connection:
                now = self.database.now(connection)
                insert_traces(connection, [record.row(self.texts, now) for record in batch])
        except Exception as error:  # a trace is never worth an answer: it is lost, and counted
            log.error("%d traces are lost: %s", len(batch), type(error).__name__)  # more would tell their texts
            self.metrics.traces_lost.labels("not_written").inc(len(batch))
        else:
            self.metrics.traces.inc(len(batch))
            self.metrics.contents_lost.inc(sum(self.texts and record.size > MOST_CONTENT for record in batch))
        with self._changed:
            self._done += len(batch)
            self._changed.notify_all()

    def _prune(self) -> bool:
        try:
            return prune(self.database, self.retention)
        except SQLAlchemyError as error:
            log.error("old traces are not removed, which is tried again: %s", type(error).__name__)
            return False
