"""Indexes that follow what they are of: a folder, which is looked at, or a store, whose version the database tells."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from concurrent.futures import TimeoutError as TookTooLong
from dataclasses import dataclass

from whet.data.retrieval.encoders.encoder import SentenceEncoder
from whet.data.retrieval.growing_index import Document, GrowingIndex, Part, Snapshot
from whet.server.errors import ApiError
from whet.server.knowledge.folder import Folder

LOOK_SECONDS = 1.0
"""A folder is looked at at most so often, and before any search that begins later than this after the last look."""
PATIENCE_SECONDS = 2.0
"""How long searches wait for a look; where much has changed, the old documents answer until all of the new are cut."""
Files = Callable[[], tuple[int, Mapping[str, Callable[[], Document | None]]]]
AT_ONCE = 200
"""Documents that are counted in one go."""
log = logging.getLogger("whet.server")


@dataclass(frozen=True, slots=True)
class Background:
    """Threads that look at folders, and that merge parts of indexes."""

    looks: Executor
    merges: Executor

    def merge(self, index: GrowingIndex) -> None:
        """Soon, beside everything else."""
        self.merges.submit(_merge_all, index)


def _merge_all(index: GrowingIndex) -> None:
    try:
        while index.merge():
            pass
    except Exception:
        log.exception("the parts of an index could not be merged")
        raise


class FolderShelf:
    """The documents of a folder, in one cut."""

    def __init__(self, folder: Folder, encoder: SentenceEncoder | None, background: Background) -> None:
        self.folder, self.background = folder, background
        self.index = GrowingIndex(encoder)
        self._lock = threading.Lock()
        self._looked: float | None = None
        """When the last look that ended began."""
        self._looking: tuple[Future[None], float] | None = None
        """The last look that began, and when."""
        self._next: Future[None] | None = None
        """One that has not begun: it sees all that changes until then."""
        self._owed: dict[str, Document | None] = {}
        """Documents that changed and are not in the index yet; None: gone. An encoder may fail in between, and a look
        tells of each change once."""
        self._stopping = threading.Event()
        self._look()

    def stop(self) -> None:
        """Ends a look that is under way: nobody will search any more."""
        self._stopping.set()

    def snapshot(self) -> Snapshot:
        """What the folder holds. Raises ApiError 503 where it cannot be read, or its encoder does not answer."""
        look = self._look()
        if look is not None:
            try:
                look.result(None if self._looked is None else PATIENCE_SECONDS)
            except TookTooLong:
                pass
            except OSError as error:
                what = f"The folder of documents cannot be read: {error.strerror or error}."
                raise ApiError(503, what, code="documents_unreadable") from error
        return self.index.snapshot

    def _look(self) -> Future[None] | None:
        """The look that a search has to wait for; None where one ended that began lately enough."""
        with self._lock:
            lately = time.monotonic() - LOOK_SECONDS
            if self._looked is not None and self._looked > lately:
                return None
            if self._looking is not None and not self._looking[0].done() and self._looking[1] > lately:
                return self._looking[0]
            if self._next is None:
                self._next = self.background.looks.submit(self._look_again)
            return self._next

    def _look_again(self) -> None:
        with self._lock:
            began = time.monotonic()
            assert self._next is not None
            self._looking, self._next = (self._next, began), None
        changes = self.folder.look(self._stopping.is_set)
        for told in changes.told:
            log.warning("documents: %s", told)
        self._owed |= dict.fromkeys(changes.removed) | {document.id: document for document in changes.added}
        if self._owed:
            added = [document for document in self._owed.values() if document is not None]
            self.index.change(self._parts(added), [name for name, document in self._owed.items() if document is None])
            self._owed = {}
            self.background.merge(self.index)
        self._looked = began

    def _parts(self, documents: Sequence[Document]) -> list[Part]:
        parts = []
        for begin in range(0, len(documents), AT_ONCE):
            if self._stopping.is_set():
                break
            parts.append(self.index.prepare(documents[begin : begin + AT_ONCE]))
        return parts


class StoreShelf:
    """The documents of a store, in one cut. `files` gives its version, and how each of its documents is read."""

    def __init__(self, files: Files, encoder: SentenceEncoder | None, background: Background) -> None:
        self.files, self.background = files, background
        self.index = GrowingIndex(encoder)
        self.version = -1
        self._lock = threading.Lock()
        self._ready: dict[str, Part] = {}
        """Documents cut and counted before their store says that it has them."""
        self._without: set[str] = set()
        """Those that hold nothing in this cut."""

    def prepare(self, document: Document) -> None:
        """What `files` will name: all that takes time is done before anybody has to wait for it."""
        self._ready[document.id] = self.index.prepare([document])

    def forget(self, name: str) -> None:
        """What was prepared, and did not come."""
        self._ready.pop(name, None)

    def snapshot(self, version: int) -> Snapshot:
        """What the store holds in this version, or a later one."""
        if self.version < version:
            with self._lock:
                if self.version < version:
                    self._follow()
        return self.index.snapshot

    def _follow(self) -> None:
        version, files = self.files()
        have = self.index.documents
        new = [name for name in files if name not in have and name not in self._without]
        parts = [self._ready.pop(name) for name in new if name in self._ready]
        ready = {document.id for part in parts for document in part.documents}

        unread = {name: files[name]() for name in new if name not in ready}
        self._without |= {name for name, document in unread.items() if document is None}
        parts.append(self.index.prepare([document for document in unread.values() if document is not None]))
        self.index.change(parts, [name for name in have if name not in files])
        self.version = version
        self.background.merge(self.index)


def closed(threads: Iterable[Executor]) -> None:
    """Waits for the work that was begun, and begins no other."""
    for each in threads:
        each.shutdown(cancel_futures=True)
