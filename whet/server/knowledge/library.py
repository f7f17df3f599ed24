"""All documents that a service answers from: the folder it was started with, and the stores of its projects.

The database and the folder are what is true; indexes are this process' own, made when something is asked, and brought
up to date before each search. So several servers over one database find the same, and nothing is lost with one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from whet.data.retrieval.encoders.opening import open_encoder
from whet.data.retrieval.growing_index import Document, FoundPassage, Snapshot
from whet.errors import RunFolderError, WhetError
from whet.recipe.sections.retrieval import EncoderAt
from whet.server.database.opening import Database
from whet.server.errors import ApiError
from whet.server.files.records import find_file
from whet.server.knowledge.cuts import Cut, Unreadable, attributes_match, cut_content
from whet.server.knowledge.folder import Folder
from whet.server.knowledge.kept_vectors import UNAVAILABLE, KeptEncoder, forget_unused
from whet.server.knowledge.manner import Contents, Manner, manner_of_service
from whet.server.knowledge.records import (
    Attachment,
    attach,
    delete_store,
    detach,
    document_name,
    find_store,
    readable_files,
)
from whet.server.knowledge.shelves import Background, FolderShelf, StoreShelf, closed
from whet.server.settings import Settings

FOLDER = "documents"
"""The store that is the folder of `whet serve --documents`, in every project."""
MOST_SHELVES = 256
"""Indexes of stores held at a time; the one that was asked least recently makes room, and is made again when asked."""
log = logging.getLogger("whet.server")


@dataclass(frozen=True, slots=True)
class StoreContents:
    """How the files of one store are read; every query is by project."""

    database: Database
    contents: Path
    project: str
    store: str
    cut: Cut

    def files(self) -> tuple[int, dict[str, Callable[[], Document | None]]]:
        """The version, and how each document of it is read."""
        with self.database.read() as connection:
            version = find_store(connection, self.project, self.store).version
            rows = readable_files(connection, self.store)
        return version, {document_name(row.file, row.place): partial(self._read, row) for row in rows}

    def _read(self, row: Row[Any]) -> Document | None:
        made = Attachment(row.file, row.attributes, row.place)
        try:
            document = read_document(self.contents / row.file, row.filename, made, self.cut)
        except RunFolderError:  # its content went a moment ago, and so will the row
            return None
        return document if isinstance(document, Document) else None


class Library:
    """Raises InputError for a folder or an encoder that is none, RunError for an encoder that stays away."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings, self.database = settings, database
        self.usual = manner_of_service(settings)
        """How passages are cut and found where the recipe of a model does not say it."""
        self._encoders: dict[tuple[str, EncoderAt | None], KeptEncoder] = {}
        self._opening = threading.Lock()
        forget_unused(database)
        self._encoder(self.usual.contents)
        threads = {"max_workers": 1, "thread_name_prefix": "whet-documents"}
        self._background = Background(ThreadPoolExecutor(**threads), ThreadPoolExecutor(**threads))
        self.started = int(time.time())
        self._lock = threading.Lock()
        self._folders: dict[Contents, FolderShelf] = {}
        self._stores: OrderedDict[tuple[str, Contents], StoreShelf] = OrderedDict()
        if settings.documents is not None:
            self.folder_shelf(self.usual.contents)

    def close(self) -> None:
        for shelf in self._folders.values():
            shelf.stop()
        closed((self._background.looks, self._background.merges))

    # ---- searching

    def search(
        self, project: str, store: str, query: str, count: int, wanted: dict[str, Any] | None = None
    ) -> list[FoundPassage]:
        """The best passages, of files with the attributes that are wanted. Raises ApiError 404, 503."""
        found = self.snapshot(project, store, self.usual)
        return found.find(query, count, with_attributes(wanted), self.usual.by)

    def snapshot(self, project: str, store: str, manner: Manner) -> Snapshot:
        """What the store holds now, in this manner. Raises ApiError 404 where the project has no such store, 503."""
        if store == FOLDER and self.settings.documents is not None:
            return self.folder_shelf(manner.contents).snapshot()
        with self.database.read() as connection:
            version = find_store(connection, project, store).version
        return self._store_shelf(project, store, manner.contents).snapshot(version)

    def folder_shelf(self, contents: Contents) -> FolderShelf:
        """Raises ApiError 503 for an encoder that cannot be opened."""
        assert self.settings.documents is not None
        encoder = self._encoder_in_use(contents)
        with self._lock:
            if contents not in self._folders:
                folder = Folder(self.settings.documents, contents.cut)
                self._folders[contents] = FolderShelf(folder, encoder, self._background)
            return self._folders[contents]

    def _store_shelf(self, project: str, store: str, contents: Contents) -> StoreShelf:
        encoder = self._encoder_in_use(contents)
        with self._lock:
            if (store, contents) not in self._stores:
                held = StoreContents(self.database, self.settings.files, project, store, contents.cut)
                self._stores[store, contents] = StoreShelf(held.files, encoder, self._background)
                while len(self._stores) > MOST_SHELVES:
                    self._stores.popitem(last=False)
            self._stores.move_to_end((store, contents))
            return self._stores[store, contents]

    def _encoder(self, contents: Contents) -> KeptEncoder | None:
        """Opened once for all indexes. Raises InputError, RunError."""
        if contents.encoder is None:
            return None
        name = contents.encoder, contents.at
        with self._opening:
            if name not in self._encoders:
                self._encoders[name] = KeptEncoder(open_encoder(*name), self.database)
            return self._encoders[name]

    def _encoder_in_use(self, contents: Contents) -> KeptEncoder | None:
        """Raises ApiError 503: the client can do nothing about an encoder that a recipe names."""
        try:
            return self._encoder(contents)
        except WhetError as error:
            log.warning("documents: %s", error)
            raise ApiError(503, UNAVAILABLE, code="encoder_unavailable") from error

    # ---- changing

    def attach(self, project: str, store: str, file: str, attributes: dict[str, Any]) -> None:
        """The file's passages are found from now on; one that cannot be read is kept as failed. All work is done before
        the store has the file, so that nobody who asks meanwhile waits. Raises ApiError 404."""
        with self.database.read() as connection:
            find_store(connection, project, store)
            row = find_file(connection, project, file, self.database.now(connection), "file_id")
        new = Attachment(file, attributes)
        shelves = self._shelves_of(project, store)
        read = {contents: self._read(row, new, contents.cut) for contents in shelves}
        usual = read[self.usual.contents]
        try:
            for contents, document in read.items():
                if isinstance(document, Document):
                    shelves[contents].prepare(document)
            attach(self.database, project, store, new, usual if isinstance(usual, Unreadable) else None)
        except BaseException:
            for shelf in shelves.values():
                shelf.forget(new.document)
            raise
        self._follow(project, store)

    def detach(self, project: str, store: str, file: str) -> None:
        """Its passages are found no more. Raises ApiError 404."""
        detach(self.database, project, store, file)
        self._follow(project, store)

    def delete(self, project: str, store: str) -> None:
        """Raises ApiError 404."""
        delete_store(self.database, project, store)
        with self._lock:
            for key in [key for key in self._stores if key[0] == store]:
                del self._stores[key]

    def _read(self, row: Row[Any], new: Attachment, cut: Cut) -> Document | Unreadable:
        """Raises ApiError 404 where the file went a moment ago."""
        try:
            return read_document(self.settings.files / row.id, row.filename, new, cut)
        except RunFolderError as error:
            what = f"The content of {row.id!r} is gone."
            raise ApiError(404, what, code="file_not_found", param="file_id") from error

    def _shelves_of(self, project: str, store: str) -> dict[Contents, StoreShelf]:
        """The indexes of a store that somebody has asked; at least the usual one."""
        with self._lock:
            asked = {contents for held, contents in self._stores if held == store} | {self.usual.contents}
        return {contents: self._store_shelf(project, store, contents) for contents in asked}

    def _follow(self, project: str, store: str) -> None:
        with self.database.read() as connection:
            version = find_store(connection, project, store).version
        for shelf in self._shelves_of(project, store).values():
            shelf.snapshot(version)


def read_document(content: Path, filename: str, attached: Attachment, cut: Cut) -> Document | Unreadable:
    """Raises RunFolderError where its content is gone."""
    passages = cut_content(content, filename, cut)
    if isinstance(passages, Unreadable):
        return passages
    return Document(attached.document, filename, (attached.place,), passages, attached.attributes)


def with_attributes(wanted: dict[str, Any] | None) -> Callable[[Document], bool] | None:
    """Which documents have these; None: all."""
    if not wanted:
        return None
    return lambda document: attributes_match(document.attributes, wanted)
