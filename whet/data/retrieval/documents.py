"""Documents to passages: what a retriever finds, and what comes before a question.

A document is a text, Markdown or HTML file, or one record of a JSON, CSV or Parquet file. It is cut at the ends of
sentences into passages of at most `words` words. A passage that ends inside a paragraph shares its last sentences with
the next one, so that an answer beside a cut is whole in one of them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from whet.data.read.source import SUFFIXES, RawRow, fingerprint, read_source, read_text
from whet.data.rows.column_names import TEXTS
from whet.errors import DataError

WORDS = 200
"""Words of a passage. Between the 100 of Karpukhin et al. 2020 (arXiv 2004.04906) and the 250 of Gao et al. 2023."""
OVERLAP = 8
"""At most one word in this many is shared with the passage before."""
HTML = (".html", ".htm")
PLAIN = (".txt", ".md", *HTML)
_PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*")
_SENTENCE = re.compile(r"(?<=[.!?…])\s+|(?<=[.!?…][\"'”’)\]])\s+|(?<=[。！？])|\n+")
_BLOCKS = frozenset("p div br li ul ol table tr section article header footer h1 h2 h3 h4 h5 h6 pre blockquote".split())
_UNSEEN = frozenset(("script", "style", "noscript", "template"))


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document. `id` is the document's name, `#` and the number of the piece from 1."""

    id: str
    text: str
    source: str
    """Where the document is: `handbook/leave.md`, or `faq.jsonl:12`."""

    @property
    def document(self) -> str:
        return self.id.rpartition("#")[0]


def read_documents(path: Path, words: int = WORDS, column: str | None = None) -> list[Passage]:
    """Passages of a file, or of all files of a folder that are not hidden, in the order of their names.

    `column` names the column of records that holds the text; otherwise it is `text`, `content` or `document`, or the
    only column with words. A column `id` names the record.
    Raises DataError for a file that is missing, empty, binary or of an unknown form, with its name, and for a column of
    documents that have none.
    """
    if words < 8:
        raise DataError("a passage must have room for a sentence", value=words, fix="use 8 words or more")
    if column and path.exists() and all(_known(file, PLAIN) for file, _ in _files(path)):
        what, fix = "these documents are plain text, which has no columns", "leave retrieval.column out"
        raise DataError(what, where=str(path), value=f"retrieval.column: {column}", fix=fix)

    passages = [passage for file, label in _files(path) for passage in cut_file(file, label, words, column)]
    if not passages:
        raise DataError("the documents hold no words", where=str(path), fix="point at the texts to look things up in")
    return passages


def cut_file(file: Path, label: str, words: int = WORDS, column: str | None = None) -> list[Passage]:
    """The passages of one file, which messages and passages call `label`; none where it holds no words. Raises
    DataError as `read_documents` does."""
    return [
        Passage(f"{name}#{number}", piece, where)
        for name, where, text in _documents(file, label, column)
        for number, piece in enumerate(pieces(text, words), start=1)
    ]


def is_document(name: str) -> bool:
    """Is a file of this name one that is cut into passages?"""
    return _known(Path(name), (*SUFFIXES, *HTML))


def documents_fingerprint(path: Path) -> str:
    """sha256 over the names and bytes of all files: equal for equal documents. Raises DataError."""
    digest = hashlib.sha256()
    for file, label in _files(path):
        digest.update(label.encode() + b"\0")
        digest.update(
            hashlib.sha256(file.read_bytes()).digest()
            if file.suffix.lower() in HTML
            else fingerprint(str(file)).encode()
        )

    return digest.hexdigest()


def pieces(text: str, words: int) -> Iterator[str]:
    """The text in passages of at most `words` words; paragraphs stay apart by an empty line."""
    held: list[tuple[str, int]] = []  # (sentence, its paragraph)
    fresh = 0
    for sentence, paragraph in _sentences(text, words):
        if held and sum(_count(each) for each, _ in held) + _count(sentence) > words:
            yield _joined(held)
            if held[-1][1] == paragraph:
                held = _shared(held, words // OVERLAP)
            else:
                held = []

            while held and sum(_count(each) for each, _ in held) + _count(sentence) > words:
                held.pop(0)
            fresh = 0

        held.append((sentence, paragraph))
        fresh += 1

    if fresh:
        yield _joined(held)


def visible_text(html: str) -> str:
    """What a reader of the page sees: no tags, no scripts; blocks are paragraphs."""
    reader = _Visible()
    reader.feed(html)
    reader.close()
    lines = (re.sub(r"[^\S\n]+", " ", line).strip() for line in "".join(reader.found).split("\n"))
    return re.sub(r"\n{2,}", "\n\n", "\n".join(lines)).strip()


class _Visible(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.unseen += tag in _UNSEEN
        if tag in _BLOCKS:
            self.found.append("\n\n")

    def handle_endtag(self, tag: str) -> None:
        self.unseen = max(0, self.unseen - (tag in _UNSEEN))
        if tag in _BLOCKS:
            self.found.append("\n\n")

    def handle_data(self, data: str) -> None:
        if not self.unseen:
            self.found.append(re.sub(r"\s+", " ", data))


def _documents(file: Path, label: str, column: str | None) -> Iterator[tuple[str, str, str]]:
    """(name, where, text) of each document of a file."""
    if file.suffix.lower() in HTML:
        yield label, label, visible_text(read_text(file, label))
        return

    for raw in read_source(str(file)):
        where = raw.where.replace(file.name, label, 1)
        if isinstance(raw.value, str):
            yield where, where, raw.value
        else:
            name = raw.value.get("id")
            yield str(name) if isinstance(name, str | int) else where, where, _text_of(raw, where, column)


def _files(path: Path) -> list[tuple[Path, str]]:
    """The files behind a path, each with its name inside the folder. Links that lead out of it are refused."""
    known = (*SUFFIXES, *HTML)
    if not path.is_dir():
        if path.exists() and not _known(path, known):
            raise _foreign(str(path), known)
        return [(path, path.name)]

    inner = sorted(p for p in path.rglob("*") if p.is_file() and not _hidden(p.relative_to(path)))
    if not inner:
        raise DataError("there are no documents in this folder", where=str(path), fix="point at the folder of texts")

    for file in inner:
        if not file.resolve().is_relative_to(path.resolve()):
            raise DataError("this link leads out of the folder", where=str(file), fix="copy the file into the folder")
        if not _known(file, known):
            raise _foreign(str(file), known)

    return [(file, file.relative_to(path).as_posix()) for file in inner]


def _known(path: Path, known: tuple[str, ...]) -> bool:
    return path.name.lower().removesuffix(".gz").endswith(known)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _foreign(where: str, known: tuple[str, ...]) -> DataError:
    fix = "save it as text, or move it out of the documents"
    return DataError(f"cannot read this as a document; known are {', '.join(known)}", where=where, fix=fix)


def _text_of(raw: RawRow, where: str, column: str | None) -> str:
    value: dict[str, Any] = raw.value if isinstance(raw.value, dict) else {}
    texts = [name for name, field in value.items() if isinstance(field, str) and field.strip() and name != "id"]

    if column:
        names = [column]
    else:
        names = [name for name in TEXTS if name in texts] or texts

    if names and names[0] in texts and (column or len(names) == 1 or names[0] in TEXTS):
        return str(value[names[0]])

    if column:
        what = f"no text in the column {column!r}"
    else:
        what = "cannot tell which column holds the document's text"

    fix = "name the column with text, or call it `text`"
    raise DataError(what, where=where, value=sorted(value), fix=fix)


def _sentences(text: str, words: int) -> Iterator[tuple[str, int]]:
    """(sentence of at most `words` words, number of its paragraph)."""
    for number, paragraph in enumerate(_PARAGRAPH.split(text.replace("\r\n", "\n").strip())):
        for sentence in _SENTENCE.split(paragraph):
            tokens = sentence.split()
            for begin in range(0, len(tokens), words):
                yield " ".join(tokens[begin : begin + words]), number


def _shared(held: list[tuple[str, int]], room: int) -> list[tuple[str, int]]:
    """The last sentences, of the same paragraph, that have at most `room` words."""
    kept: list[tuple[str, int]] = []
    for sentence, paragraph in reversed(held):
        room -= _count(sentence)
        if room < 0 or paragraph != held[-1][1]:
            break
        kept.insert(0, (sentence, paragraph))
    return kept


def _joined(held: list[tuple[str, int]]) -> str:
    text = held[0][0]
    for (_, before), (sentence, paragraph) in zip(held, held[1:], strict=False):
        text += (" " if before == paragraph else "\n\n") + sentence
    return text


def _count(sentence: str) -> int:
    return sentence.count(" ") + 1
