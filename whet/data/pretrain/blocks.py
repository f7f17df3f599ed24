"""Plain text for pre-training: documents to one long file of token ids, cut into blocks of `context` tokens.

Documents are tokenised in chunks and streamed to disk as uint16 or uint32, so that memory stays flat however long the
text is; the file is memory-mapped for training. Its name is a key over everything that the ids depend on.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from whet.data.batches.forest import build_batch
from whet.data.cache_key import made_by
from whet.data.render.encoding import Document, Encoder
from whet.store.atomic import (
    make_folder,
    naming_disk_errors,
    remove,
    sha256_file,
    sync_file,
    temporary_name,
    write_text,
)
from whet.types import Batch, Segment

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CHUNK_DOCUMENTS = 1000
PIECE_CHARACTERS = 200_000
"""Longer documents are tokenised in pieces, cut at a line break: a tokenizer needs some 100 bytes a token."""


def cache_key(*parts: str) -> str:
    """sha256 over the parts and over the code that turns text into ids, so that no stale file is ever read."""
    digest = hashlib.sha256(made_by("whet.data.pretrain.corpus").encode())
    for part in parts:
        digest.update(b"\0" + part.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def write_tokens(documents: Iterable[Document], tokenizer: PreTrainedTokenizerBase, path: Path) -> int:
    """Tokenise documents into `path`, atomically; gives the number of tokens.

    Each begins with the begin token if the tokenizer adds one, and ends with the end token if it has one.
    Raises DiskFullError, leaving nothing behind.
    """
    dtype, encoder = token_type(len(tokenizer)), Encoder(tokenizer)
    temporary = temporary_name(path)
    make_folder(path.parent)
    total = 0

    try:
        for chunk in _chunks(documents):
            tokens = np.asarray(_tokenise(chunk, encoder), dtype=dtype)
            _append(temporary, tokens.tobytes(), path)
            total += len(tokens)

        _append(temporary, b"", path)
        with naming_disk_errors(path):
            sync_file(temporary)
            os.replace(temporary, path)
    finally:
        remove(temporary)

    return total


def _append(temporary: Path, data: bytes, path: Path) -> None:
    with naming_disk_errors(path), temporary.open("ab") as file:  # a DataError of the documents is raised outside
        file.write(data)


def seal_tokens(path: Path) -> None:
    """Notes the checksum of a file that `write_tokens` wrote."""
    write_text(path.with_suffix(".sha256"), sha256_file(path))


def is_whole(path: Path) -> bool:
    """Whether a file of tokens is what was written; one flipped bit would be another text without a word."""
    seal = path.with_suffix(".sha256")
    return path.exists() and seal.exists() and seal.read_text("utf-8", "replace") == sha256_file(path)


def open_tokens(path: Path, vocabulary: int) -> np.ndarray:
    """The tokens of a file as a read-only array, memory-mapped."""
    dtype = token_type(vocabulary)
    if path.stat().st_size == 0:
        return np.zeros(0, dtype=dtype)
    return np.memmap(path, dtype=dtype, mode="r")


def token_type(vocabulary: int) -> type[np.unsignedinteger]:
    """The smallest type that holds every id of the vocabulary."""
    if vocabulary <= 65_536:
        return np.uint16
    return np.uint32


def _chunks(documents: Iterable[Document]) -> Iterator[list[tuple[str, bool, bool]]]:
    """Pieces of documents, about a thousand at a time and never much more than 8 million characters."""
    pieces = (piece for document in documents for piece in _pieces(document))
    while chunk := list(islice(pieces, 40)):
        characters = sum(len(text) for text, _, _ in chunk)
        while len(chunk) < CHUNK_DOCUMENTS and characters < 8_000_000:
            more = list(islice(pieces, 40))
            if not more:
                break
            chunk += more
            characters += sum(len(text) for text, _, _ in more)
        yield chunk


def _pieces(document: Document) -> Iterator[tuple[str, bool, bool]]:
    """(text, begins the document, ends the document)."""
    text, at = document.text, 0
    while at < len(text):
        cut = len(text)
        if cut - at > PIECE_CHARACTERS:
            newline = text.rfind("\n", at, at + PIECE_CHARACTERS)
            if newline > at:
                cut = newline + 1
            else:
                cut = at + PIECE_CHARACTERS

        yield text[at:cut], at == 0 and not document.framed, cut == len(text)
        at = cut


def _tokenise(pieces: list[tuple[str, bool, bool]], encoder: Encoder) -> list[int]:
    before, after = encoder.frame
    ids: list[int] = []
    for (_, begins, ends), piece in zip(pieces, encoder.batch([text for text, _, _ in pieces]), strict=True):
        ids += before if begins else []
        ids += piece
        if ends and ids[-1:] != after:
            ids += after
    return ids


class BlockLoader:
    """Serves blocks of `context` tokens in a fresh order each epoch; every block exactly once an epoch.

    All tokens of a block but its first are supervised. Steps hold equally many blocks and run on from one epoch into
    the next. Which blocks make a step depends only on the step's number and the seed.
    """

    def __init__(self, tokens: np.ndarray, context: int, batch_tokens: int, micro_batch_tokens: int, seed: int) -> None:
        self.blocks = len(tokens) // context
        if self.blocks == 0:
            raise ValueError(f"{len(tokens)} tokens do not fill one block of {context}")
        self.tokens, self.context, self.seed = tokens, context, seed
        self.per_step = max(1, batch_tokens // context)
        self.per_micro = max(1, min(self.per_step, micro_batch_tokens // context))
        self.steps_per_epoch = -(-self.blocks // self.per_step)
        self._order = lru_cache(maxsize=2)(self._order_uncached)

    def _order_uncached(self, epoch: int) -> np.ndarray:
        return np.random.default_rng([self.seed, epoch]).permutation(self.blocks)

    def step(self, step: int) -> list[Batch]:
        """The micro-batches of optimiser step `step`, from 0."""
        wanted = range(step * self.per_step, (step + 1) * self.per_step)
        numbers = [int(self._order(place // self.blocks)[place % self.blocks]) for place in wanted]
        return [self._batch(numbers[at : at + self.per_micro]) for at in range(0, len(numbers), self.per_micro)]

    def largest(self) -> Batch:
        """All blocks are equal, so any full micro-batch."""
        return self._batch(range(min(self.per_micro, self.blocks)))

    def in_order(self) -> Iterator[Batch]:
        """Every block once, in the order of the text."""
        for at in range(0, self.blocks, self.per_micro):
            yield self._batch(range(at, min(at + self.per_micro, self.blocks)))

    def _batch(self, numbers: Iterable[int]) -> Batch:
        """B blocks as B roots, built without a loop over tokens."""
        rows = list(numbers)
        size, count = self.context, len(rows)
        ids_BC = np.stack([self.tokens[row * size : (row + 1) * size] for row in rows]).astype(np.int64)
        place_BC = np.arange(count * size).reshape(count, size)
        supervised = count * (size - 1)

        return Batch(
            ids_T=torch.from_numpy(ids_BC.reshape(-1)),
            positions_T=torch.arange(size).repeat(count),
            starts=[number * size for number in range(count)],
            lengths=[size] * count,
            parents=[None] * count,
            source_N=torch.from_numpy(place_BC[:, :-1].reshape(-1).copy()),
            target_N=torch.from_numpy(ids_BC[:, 1:].reshape(-1).copy()),
            weight_N=torch.ones(supervised),
            segment_N=torch.arange(count).repeat_interleave(size - 1),
            rows=rows,
            weight=float(supervised),
        )


def read_through(tokens: np.ndarray, context: int, micro_batch_tokens: int) -> Iterator[Batch]:
    """A whole text once, in order: its blocks, then what is left over. For validation and evaluation."""
    whole = len(tokens) // context
    if whole:
        yield from BlockLoader(tokens, context, context, micro_batch_tokens, 0).in_order()
    rest = tokens[whole * context :].astype(np.int64).tolist()
    if len(rest) > 1:
        yield build_batch([Segment(ids=rest, weights=[0.0] + [1.0] * (len(rest) - 1), row=whole)])
