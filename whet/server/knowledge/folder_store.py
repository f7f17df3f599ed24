"""The folder of documents as a store that every project reads and nobody changes by a call."""

from __future__ import annotations

from typing import Any

from whet.server.database.paging import Order
from whet.server.errors import ApiError
from whet.server.knowledge.folder import Seen, document_id
from whet.server.knowledge.library import FOLDER, Library
from whet.server.knowledge.shapes import file_object, store_object


class FolderStore:
    def __init__(self, library: Library) -> None:
        self.library = library

    def there(self, name: str) -> bool:
        """Is this the folder, and was the service started with one?"""
        return name == FOLDER and self.library.settings.documents is not None

    def show(self) -> dict[str, Any]:
        """Raises ApiError 503."""
        files = self._files()
        failed = sum(1 for seen in files.values() if seen.unreadable)
        shown = store_object(FOLDER, FOLDER, len(files) - failed, failed)
        size = sum(seen.size for seen in files.values() if not seen.unreadable)
        return shown | {"created_at": self.library.started, "last_active_at": None, "usage_bytes": size}

    def show_file(self, name: str) -> dict[str, Any]:
        """Raises ApiError 404, 503."""
        for label, seen in self._files().items():
            if document_id(label) == name:
                return self._file(label, seen)
        raise ApiError(404, f"No such file: {name!r}.", code="file_not_found", param="file_id")

    def list_files(
        self, limit: int, order: Order, after: str | None, status: str | None
    ) -> tuple[list[dict[str, Any]], bool]:
        """By name, whatever the order of time would be. Raises ApiError 400, 503."""
        shown = [self._file(label, seen) for label, seen in sorted(self._files().items())]
        if order == "desc":
            shown.reverse()
        names = [one["id"] for one in shown]
        if after is not None:
            if after not in names:
                raise ApiError(400, f"after: there is no {after!r} in this list.", code="invalid_value", param="after")
            shown = shown[names.index(after) + 1 :]
        if status is not None:
            shown = [one for one in shown if one["status"] == status]
        return shown[:limit], len(shown) > limit

    def refuse_change(self, name: str) -> None:
        """Raises ApiError 400 where a call would change the folder."""
        if self.there(name):
            what = "This store is a folder of the service: change the files in it, and the next search sees them."
            raise ApiError(400, what, code="store_is_a_folder", param="vector_store_id")

    def _files(self) -> dict[str, Seen]:
        shelf = self.library.folder_shelf(self.library.usual.contents)
        shelf.snapshot()
        return shelf.folder.seen

    def _file(self, label: str, seen: Seen) -> dict[str, Any]:
        shown = file_object(document_id(label), FOLDER, seen.size, seen.changed, seen.unreadable)
        return shown | {"filename": label}
