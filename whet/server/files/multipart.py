"""A multipart body while it comes in: the file goes to disk piece by piece, and is never in memory whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from whet.server.database.identifiers import storable
from whet.server.errors import ApiError
from whet.server.files.content import Contents, Incoming

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MOST_PARTS, MOST_FIELD, MOST_NAME = 16, 1024, 255
"""Parts of a body, bytes of a part that is no file, characters of a file's name that are kept."""
BESIDE_FILE = 64 * 1024
"""Bytes of a body that are not the file's own, generously."""


class Upload:
    """Fed with the body's bytes. Use it as a context: what was not kept at its end is gone."""

    def __init__(self, content_type: str | None, contents: Contents) -> None:
        """Raises ApiError 400 for a body of another type."""
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            what = "Send the file as multipart/form-data, with the parts 'file' and 'purpose'."
            raise ApiError(400, what, code="invalid_content_type")

        self.contents = contents
        self.fields: dict[str, str] = {}
        self.filename: str | None = None
        self.incoming: Incoming | None = None
        self._headers: dict[str, bytes] = {}
        self._header, self._value = b"", b""
        self._name, self._field = "", b""
        self._parts, self._ended = 0, False
        try:
            self._parser = MultipartParser(boundary, self._callbacks())
        except FormParserError as error:
            raise _broken(error) from error

    def __enter__(self) -> Upload:
        return self

    def __exit__(self, *_: object) -> None:
        if self.incoming is not None:
            self.incoming.drop()

    def feed(self, data: bytes) -> None:
        """Raises ApiError 400 for what is not multipart, 413, DiskFullError."""
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise _broken(error) from error

    def finish(self) -> Incoming:
        """The file, whole. Raises ApiError 400 where the body ended before its last boundary, or had no file."""
        if not self._ended:
            raise ApiError(400, "The body ends before its last boundary.", code="invalid_multipart")
        if self.incoming is None:
            raise ApiError(400, "'file' is a required property: no part of the body is a file.", param="file")
        return self.incoming

    def _callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._on_field,
            "on_header_value": self._on_value,
            "on_header_end": self._on_header,
            "on_headers_finished": self._on_headers,
            "on_part_data": self._on_data,
            "on_part_end": self._on_part,
            "on_end": self._on_end,
        }

    def _begin(self) -> None:
        self._headers, self._name, self._field = {}, "", b""
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise ApiError(400, f"The body has more than {MOST_PARTS} parts.", code="invalid_multipart")

    def _on_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header(self) -> None:
        self._headers[self._header.decode("latin-1").lower()] = self._value
        self._header, self._value = b"", b""

    def _on_headers(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition"))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if self._name != "file":
            return

        if self.incoming is not None:
            raise ApiError(400, "The body has several parts 'file': send one file a request.", param="file")
        self.filename = shown_name(options)
        self.incoming = self.contents.incoming()

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._name == "file":
            assert self.incoming is not None
            self.incoming.write(data[start:end])
            return

        self._field += data[start:end]
        if len(self._field) > MOST_FIELD:
            what = f"{self._name}: longer than {MOST_FIELD:,} bytes."
            raise ApiError(400, what, code="invalid_value", param=storable(self._name))

    def _on_part(self) -> None:
        if self._name != "file":
            self.fields[self._name] = self._field.decode("utf-8", "replace")

    def _on_end(self) -> None:
        self._ended = True


def shown_name(options: Mapping[bytes, bytes]) -> str:
    """The name that a client gives its file: a text to show, never a path."""
    name = storable(options.get(b"filename", b"").decode("utf-8", "replace"))
    return name[:MOST_NAME] or "file"


def _broken(error: Exception) -> ApiError:
    return ApiError(400, f"The body is not valid multipart/form-data: {error}.", code="invalid_multipart")
