"""Where requests come from: a log, or whatever can be asked for those since a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Protocol

from whet.monitoring.logs.reading import LogStream
from whet.monitoring.trace import Trace


class Source(Protocol):
    name: str
    """The same each time; of a URL without its password."""
    folder: Path | None
    """Where a state may lie beside the requests."""
    in_order: bool
    """Whether they come in the order of time."""

    def since(self, at: float | None) -> Iterable[Trace]:
        """Requests from this time on (seconds since 1970), or all; others may be among them."""
        ...

    def latest(self, most: int) -> Iterable[Trace]:
        """At most so many, or all of a log."""
        ...

    def spoken_of(self, after: float) -> Iterable[Trace]:
        """Requests that somebody spoke of after this time."""
        ...

    def gone(self, ids: Collection[str]) -> set[str]:
        """Those that were erased."""
        ...


class LogSource:
    """A log is read whole each time, one record after another. What people say of a request counts where it stands in
    the log when the request is looked at."""

    def __init__(self, path: Path | str) -> None:
        self.path, self.name = Path(path), str(Path(path).resolve())
        self.folder: Path | None = None
        self.in_order = False
        self.stream: LogStream | None = None
        """What was read of it last."""

    def since(self, at: float | None) -> Iterable[Trace]:
        """Raises DataError as LogStream. A log that is empty, as one that was just rotated, holds no requests."""
        if self.path.is_file() and not self.path.stat().st_size:
            return
        self.stream = LogStream(self.path)
        yield from self.stream

    def latest(self, most: int) -> Iterable[Trace]:
        return self.since(None)

    def spoken_of(self, after: float) -> Iterable[Trace]:
        return ()

    def gone(self, ids: Collection[str]) -> set[str]:
        return set()
