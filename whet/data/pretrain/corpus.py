"""The whole way of pre-training data: files -> documents -> three files of tokens, all accounted for.

Documents are held out by their content; where there are too few of them, the last part of the text is held out.
The text is read twice (once for the ledger, once to tokenise), so that memory stays flat.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from whet.data.ledger import Fate, Ledger
from whet.data.pretrain import blocks
from whet.data.read.remarks import heard
from whet.data.read.source import fingerprint, read_source
from whet.data.refused import RowRefused
from whet.data.render.encoding import Document
from whet.data.render.renderer import Renderer
from whet.data.rows.convert import to_row
from whet.data.rows.format_detector import detect
from whet.data.rows.row_format import RowFormat
from whet.data.source import Source
from whet.data.split.parts import size_of
from whet.errors import DataError, count
from whet.observer import Observer, Silent
from whet.recipe.schema import Kind, Recipe
from whet.types import Row

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FEW_DOCUMENTS = 20
"""Below this many documents, whole ones are too coarse a measure: the end of the text is held out instead."""
LOOK_AHEAD = 1000
"""Rows that are looked at to find the shape."""
LEAST_TOKENS = 8
"""Of a text to learn."""
CUT_SHARE = 0.1
"""Held out at the end of the text where the recipe asks for a number of rows."""

SHOWN_EVERY = 500
"""Documents that are read between two steps of the observer."""


@dataclass(slots=True)
class Corpus:
    """Token ids of the three parts (memory-mapped), and what became of every document.

    `cut`: the end of the text was held out, because there are few documents.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    ledger: Ledger
    shape: RowFormat
    renderer: Renderer
    cut: bool
    notes: list[str] = field(default_factory=list)

    @property
    def plain_text(self) -> bool:
        return True

    @property
    def kind(self) -> Kind:
        return "text"

    @property
    def rows(self) -> int:
        """Documents that are trained on."""
        return int(self.ledger.summary()["trained"])

    @property
    def tokens(self) -> int:
        return len(self.train)

    @property
    def supervised_tokens(self) -> int:
        return len(self.train)

    @property
    def desirable(self) -> int:
        return 0

    @property
    def test_rows(self) -> Sequence[Row]:
        return ()

    @property
    def apart(self) -> Sequence[dict[str, Any]]:
        return ()


def corpus_of(source: Source) -> Corpus:
    """The text that pretrain learns from."""
    assert isinstance(source, Corpus)
    return source


def refuse_hardly_any(recipe: Recipe, tokens: np.ndarray) -> None:
    """Raises DataError for a text of a few tokens."""
    if len(tokens) < LEAST_TOKENS:
        what, said = "there is hardly any text to train on", count(len(tokens), "token")
        raise DataError(what, where=str(recipe.data), value=said, fix="bring more text")


def prepare_corpus(
    recipe: Recipe,
    tokenizer: PreTrainedTokenizerBase,
    renderer: Renderer | None = None,
    cache: Path = Path(".whet-cache"),
    *,
    observer: Observer | None = None,
) -> Corpus:
    """Tokens of all documents, from the cache when data, tokenizer, template, recipe and code are unchanged.

    Raises DataError: nothing usable, too many dropped documents, too few to hold any out.
    """
    renderer = renderer or Renderer(tokenizer)
    ledger = Ledger()

    reader = _Reader(recipe, renderer)
    with heard() as notes:
        digests = {False: reader.account(ledger, own_test=False), True: reader.account(ledger, own_test=True)}

    ledger.enforce_budget(recipe.drop_budget)
    if not digests[False]:
        ledger.refuse_rest("no document can be used", str(recipe.data), "bring other data")

    few = len(set(digests[False].values())) < FEW_DOCUMENTS
    fates = _fates(recipe, digests[False], digests[True], few)
    folder = cache / _key(recipe, renderer)[:24]
    tokens: dict[Fate, np.ndarray] = {}

    parts: tuple[Fate, ...] = ("trained", "validation", "test")
    for part in parts:
        path = folder / f"{part}.bin"
        if not blocks.is_whole(path):
            blocks.write_tokens(reader.documents(fates, part, observer or Silent()), tokenizer, path)
            blocks.seal_tokens(path)
        tokens[part] = blocks.open_tokens(path, len(tokenizer))

    train, validation, test = (tokens[part] for part in parts)
    if few:
        train, validation, rest = _cut_end(recipe, train)
        test = test if recipe.test else rest

    _close(ledger, fates, digests[False] | digests[True])
    ledger.set_tokens(len(train))
    shape = reader.shape(own_test=False)
    return Corpus(train, validation, test, ledger, shape, renderer, few, [*notes, *shape.notes])


class _Reader:
    """Reads the documents of the recipe's data and of its test file; numbers go on from one to the other."""

    def __init__(self, recipe: Recipe, renderer: Renderer) -> None:
        self.recipe, self.renderer = recipe, renderer
        self.shapes: dict[bool, RowFormat] = {}
        self.offset = 0
        """Rows in `data`: the number of the first row of the test file."""

    def shape(self, *, own_test: bool) -> RowFormat:
        if own_test not in self.shapes:
            first = list(islice(read_source(self._data(own_test)), LOOK_AHEAD))
            places = [raw.where for raw in first]
            self.shapes[own_test] = detect([raw.value for raw in first], self.recipe, places)
        return self.shapes[own_test]

    def account(self, ledger: Ledger, *, own_test: bool) -> dict[int, bytes]:
        """Content hash of every usable document by its number; the others are dropped in the ledger."""
        if own_test and not self.recipe.test:
            return {}
        digests: dict[int, bytes] = {}
        for number, where, document in self._read(own_test):
            ledger.open(number, where)
            if isinstance(document, RowRefused):
                ledger.drop(number, document.code, str(document))
            else:
                digests[number] = hashlib.sha256(document.text.encode("utf-8", "surrogatepass")).digest()[:16]

        if not own_test:
            self.offset = len(ledger)
        return digests

    def documents(self, fates: dict[int, Fate | None], part: Fate, observer: Observer) -> Iterator[Document]:
        """The documents of one part, in the order of the files."""
        total = sum(1 for fate in fates.values() if fate == part)
        done = 0
        sources = [False, True] if self.recipe.test else [False]
        for own_test in sources:
            for number, _, document in self._read(own_test):
                if fates.get(number) == part and isinstance(document, Document):
                    yield document
                    done += 1

                    if done % SHOWN_EVERY == 0 or done == total:
                        observer.step(done, total, {})

    def _data(self, own_test: bool) -> str | list[str]:
        if own_test:
            return self.recipe.test or ""
        return self.recipe.data

    def _read(self, own_test: bool) -> Iterator[tuple[int, str, Document | RowRefused]]:
        shape = self.shape(own_test=own_test)
        offset = self.offset if own_test else 0
        for raw in read_source(self._data(own_test)):
            try:
                document: Document | RowRefused = self.renderer.document(to_row(raw, shape, self.recipe))
            except RowRefused as refusal:
                document = refusal
            yield raw.index + offset, raw.where, document


def _fates(recipe: Recipe, digests: dict[int, bytes], tested: dict[int, bytes], few: bool) -> dict[int, Fate | None]:
    """Held out are the documents with the smallest seeded hashes; equal documents share their fate.

    None for a document that is also in the user's test file.
    """
    ordered = sorted(
        set(digests.values()) - set(tested.values()),
        key=lambda digest: hashlib.sha256(digest + str(recipe.seed).encode()).digest(),
    )
    settings = recipe.split

    if few or recipe.test:
        test = 0
    else:
        test = size_of(settings.test, settings.max_test, len(ordered))

    if few:
        validation = 0
    else:
        validation = size_of(settings.validation, settings.max_validation, len(ordered))

    if test + validation >= len(ordered):
        raise DataError(
            f"{len(ordered)} different documents to learn from, but {test + validation} are to be held out",
            fix="bring more documents, or lower split.validation and split.test",
        )

    fate_of: dict[bytes, Fate] = dict.fromkeys(ordered, "trained")
    fate_of |= dict.fromkeys(ordered[:test], "test")
    fate_of |= dict.fromkeys(ordered[test : test + validation], "validation")

    fates: dict[int, Fate | None] = {number: fate_of.get(digest) for number, digest in digests.items()}
    for number in tested:
        fates[number] = "test"
    return fates


def _cut_end(recipe: Recipe, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Train, validation and test as consecutive parts of one text."""
    validation, test = _cut_size(recipe.split.validation, tokens), 0
    if not recipe.test:
        test = _cut_size(recipe.split.test, tokens)
    end = len(tokens) - validation - test
    return tokens[:end], tokens[end : end + validation], tokens[end + validation :]


def _cut_size(share: float, tokens: np.ndarray) -> int:
    """Tokens of a part; a number of rows means nothing in one text, and CUT_SHARE is taken for it."""
    if share >= 1:
        share = CUT_SHARE
    return int(share * len(tokens))


def _key(recipe: Recipe, renderer: Renderer) -> str:
    """Everything that decides which tokens are in which file."""
    settings = json.dumps(
        recipe.model_dump(include={"split", "seed", "format", "columns", "dialect", "system", "method"}), sort_keys=True
    )
    if recipe.test:
        own = fingerprint(recipe.test)
    else:
        own = ""

    return blocks.cache_key(fingerprint(recipe.data), own, renderer.fingerprint, settings)


def _close(ledger: Ledger, fates: dict[int, Fate | None], digests: dict[int, bytes]) -> None:
    for number, digest in digests.items():
        fate = fates[number]
        if fate is None:
            where = ledger.entry(number).where
            ledger.drop(number, "duplicate-of-test", f"{where}: the same document is in the test file")
        else:
            ledger.close(number, fate, hash=digest.hex()[:16])
    ledger.check()
