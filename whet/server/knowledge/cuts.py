"""A file into the passages of an index, as training cuts it; and what of it cannot be read."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whet.data.retrieval.documents import PLAIN, WORDS, Passage, cut_file, is_document
from whet.errors import WhetError
from whet.server.files.content import link


@dataclass(frozen=True, slots=True)
class Cut:
    """As the keys of `retrieval:` in a recipe; what holds where a model was tuned without."""

    words: int = WORDS
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a file has no passages, in OpenAI's words (unsupported_file, invalid_file) and for people."""

    code: str
    message: str


def cut_bytes(data: bytes, name: str, cut: Cut) -> tuple[Passage, ...] | Unreadable:
    """The passages of what a file held at one moment: a file that is written meanwhile is not read twice."""
    with tempfile.TemporaryDirectory(prefix="whet-document-") as folder:
        place = Path(folder) / _place_of(name)
        place.write_bytes(data)
        return _cut(place, name, cut)


def cut_content(content: Path, name: str, cut: Cut) -> tuple[Passage, ...] | Unreadable:
    """The passages of an uploaded file, whose content lies under another name. Raises RunFolderError where that is
    gone."""
    with tempfile.TemporaryDirectory(prefix=".cut.", dir=content.parent) as folder:
        place = Path(folder) / _place_of(name)
        link(content, place)
        return _cut(place, name, cut)


def _cut(place: Path, name: str, cut: Cut) -> tuple[Passage, ...] | Unreadable:
    if not is_document(name):
        suffix = "".join(Path(name).suffixes[-1:]) or "no suffix"
        return Unreadable("unsupported_file", f"{name}: {suffix} is no kind of document; save it as text.")

    column = None if name.lower().endswith(PLAIN) else cut.column
    try:
        passages = tuple(cut_file(place, name, cut.words, column))
    except WhetError as error:
        said = str(error).replace(str(place), name).replace(place.name, name)
        return Unreadable("invalid_file", said)
    if not passages:
        return Unreadable("invalid_file", f"{name}: it holds no words.")
    return passages


def _place_of(name: str) -> str:
    """A name of our own with the suffixes by which readers tell kinds apart."""
    return "whet-document" + "".join(Path(name).suffixes[-2:])


def attributes_match(attributes: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return all(key in attributes and attributes[key] == value for key, value in wanted.items())
