"""The traces of a service, as one thing that it holds."""

from __future__ import annotations

from whet.server.database.opening import Database
from whet.server.metrics import Metrics
from whet.server.settings import Settings
from whet.server.traces.asking import Asking
from whet.server.traces.keeping import retention_of
from whet.server.traces.recording import Answerer, Keep, Recording
from whet.server.traces.writer import TraceWriter

FLUSH_SECONDS = 5.0
"""How long a request waits for traces that are about to be written."""


class Tracing:
    def __init__(self, settings: Settings, database: Database, metrics: Metrics) -> None:
        self.mode = settings.traces
        self.writer = TraceWriter(database, metrics, retention_of(settings), self.mode == "content")

    def begin(self, kind: str, asking: Asking, answerer: Answerer, keep: Keep | None = None) -> Recording:
        """Of a request that a model was found for; `kind` is the joint of its id, as "chatcmpl-". `keep` takes its
        traces, where that is not the writer."""
        keep = None if self.mode == "off" else keep or self.writer.put
        return Recording(keep, kind, asking, answerer, self.writer.texts)

    def flush(self) -> None:
        """So that a client finds what it was just answered; blocks."""
        self.writer.flush(FLUSH_SECONDS)

    def start(self) -> None:
        """Old traces are removed from now on, also where none comes."""
        self.writer.start()

    def close(self) -> None:
        """Once no answer is written any more; blocks."""
        self.writer.close()
