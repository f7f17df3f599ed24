"""The batch that never ends: requests enter and leave at any time, each with its own adapter, settings and guide.

Every call of `advance` does one piece of work: it reads prompts, or it writes one token for every live answer. Between
two readings there is always a step, so a long prompt, which is read in pieces, holds up nobody for long.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from whet.errors import InputError, ModelError
from whet.generation.continuous_batching import ENTERING, READ_AT_ONCE
from whet.generation.decoder_layers import CachedDecoder, read_model
from whet.generation.decoding_proof import fast_reader
from whet.generation.joined_linears import room_for_copy
from whet.generation.kv_cache import SlotCache
from whet.generation.prefill import Prompt, shared_length
from whet.generation.serving.adapter_bank import AdapterBank, Place
from whet.generation.serving.adapter_shelf import AdapterShelf, Shelved
from whet.generation.serving.choosing import Chooser, choose
from whet.generation.serving.request import AnswerRequest, End, WrittenToken
from whet.model.base import Base
from whet.model.open import refuse_other_weights
from whet.model.quantised.nf4 import quantised_linears
from whet.model.saved_model import prove_weights, read_facts
from whet.planning.machine import available_memory

READ_WORK, LEAST_READ = 20_000_000_000, 64
"""Multiplications of one reading, about a second of a weak core, and tokens of one at least."""
CACHE_SHARE, ADAPTERS_SHARE = 0.25, 0.25
"""Of the free memory: for keys and values, and for adapters that nobody uses at the moment."""


@dataclass(slots=True, eq=False)
class _Row:
    """An answer that waits, is read or is being written."""

    handle: int
    request: AnswerRequest
    chooser: Chooser
    adapter: Shelved | None
    limit: int
    last: int = -1
    written: int = 0
    place: Place | None = None
    read: int = 0
    """Tokens of a long prompt that were read so far."""

    @property
    def index(self) -> int:
        return self.place.index if self.place else 0


class OpenBatch:
    """Answers of one base and its adapters. One thread uses it."""

    def __init__(
        self, base: Base, *, slots: int = 32, capacity: int | None = None, adapter_bytes: int | None = None
    ) -> None:
        """`capacity` is the most tokens of a prompt with its answer: the base's context, or what memory allows.
        `adapter_bytes` bounds the adapters in memory that no request uses. Raises ModelError, InputError."""
        if slots < 1 or (capacity is not None and capacity < 2):
            what = "a batch needs a slot of two tokens at least"
            raise InputError(what, where="slots, capacity", value=(slots, capacity), fix="give more")

        self.base, self.model, self.slots = base, base.model.eval(), slots
        self.reader = _reader(self.model)
        self.vocabulary = int(base.model.get_input_embeddings().weight.shape[0])
        self.capacity = min(base.context, capacity or base.context, _most_tokens(self.reader, slots))
        self.read_at_once = read_at_once(self.model)
        self.cache: SlotCache = self.reader.cache(slots, self.capacity)
        self.desk: SlotCache | None = None
        """Where a prompt lies that is read in pieces."""
        self.bank = AdapterBank(self.reader, slots + 1)  # one more for the proof of a new adapter
        budget = adapter_bytes if adapter_bytes is not None else int(ADAPTERS_SHARE * available_memory())
        self.shelf = AdapterShelf(self.model, self.reader, self.bank, budget)

        self.queue: deque[_Row] = deque()
        self.live: list[_Row] = []
        self.reading: _Row | None = None
        self.has_read = self.has_read_piece = False
        """Was the last piece of work a reading, and the last reading one of a piece?"""
        self.handles = 0

    @property
    def waiting(self) -> int:
        """Requests that have no slot yet."""
        return len(self.queue)

    @property
    def running(self) -> int:
        """Requests that have one."""
        return len(self.live) + (self.reading is not None)

    @property
    def kv_use(self) -> float:
        """Part of the cache that holds something."""
        held = sum(self.cache.lengths) + (self.reading.read if self.reading else 0)
        return held / (self.slots * self.capacity)

    def load_adapter(self, name: str, folder: Path, pinned: bool = False) -> None:
        """Name the adapter of a run's model folder, once its logits are proved to be PEFT's. Answers being written go
        on; those of an older adapter of this name are written by it to their end. Raises ModelError; RunFolderError
        where a run's weights are not those that its training left."""
        folder = Path(folder)
        if (folder / "whet.json").is_file():
            facts = read_facts(folder)
            refuse_other_weights(self.base, facts, folder)
            prove_weights(facts, folder)
        self.shelf.load(name, folder, pinned)

    def drop_adapter(self, name: str) -> None:
        """Forget a name. Raises InputError where there is none."""
        self.shelf.drop(name)

    def enter(self, request: AnswerRequest) -> int:
        """A handle; the request waits until a slot is free. Raises InputError for what cannot be answered, ModelError
        for an adapter whose file is gone or changed."""
        self._refuse_unusable(request)
        if request.adapter is None:
            adapter = None
        else:
            adapter = self.shelf.use(request.adapter)

        self.handles += 1
        limit = min(request.max_new_tokens, self.capacity - len(request.prompt))
        chooser = Chooser(request.choice, request.guide, request.stop_ids)
        self.queue.append(_Row(self.handles, request, chooser, adapter, limit))
        return self.handles

    def leave(self, handle: int) -> None:
        """Nobody wants this answer any more. One that has ended is no error: it may have ended meanwhile."""
        for row in self.queue:
            if row.handle == handle:
                self.queue.remove(row)
                self._let_go(row)
                return
        if self.reading is not None and self.reading.handle == handle:
            self._let_go(self.reading)
            self._clear_desk()
            return
        for number, row in enumerate(self.live):
            if row.handle == handle:
                self._release(number)
                return

    def advance(self) -> list[WrittenToken]:
        """Read prompts (the first tokens of their answers), or write a token of every live answer. Empty while a long
        prompt is only partly read, or where nothing is to be done."""
        if not self.live or not self.has_read:
            self.has_read = True
            let_in = self._may_enter()
            if self.reading is not None and not (let_in and self.has_read_piece):
                self.has_read_piece = True
                return self._read_on(self.reading)
            if let_in:
                self.has_read_piece = False
                return self._let_in()

        self.has_read = False
        if not self.live:
            return []
        logits_BV = self.reader.step([row.last for row in self.live], [row.index for row in self.live], self.cache)
        return self._write(logits_BV, 0)

    def _may_enter(self) -> bool:
        """One free slot of so many is waited for, as reading a few prompts takes hardly longer than reading one. One
        long prompt is read at a time; short ones behind it enter between its pieces."""
        if not self.queue or (self.reading is not None and self._is_long(self.queue[0])):
            return False
        free = self.slots - self.running
        return free >= min(len(self.queue), -(-self.slots // ENTERING))

    def _let_in(self) -> list[WrittenToken]:
        """Read the next prompts into free slots: as many as one reading takes, or the beginning of a long one."""
        if self._is_long(self.queue[0]):
            self.reading = self._seated(self.queue.popleft())
            return self._read_on(self.reading)

        wave: list[_Row] = []
        tokens = 0
        while self.queue and self.running + len(wave) < self.slots:
            prompt = self.queue[0].request.prompt
            tokens += len(prompt) - (shared_length(wave[-1].request.prompt, prompt) if wave else 0)
            if tokens > self.read_at_once:
                break
            wave.append(self._seated(self.queue.popleft()))

        prompts = [Prompt(row.request.prompt, row.index) for row in wave]
        logits_PV = self.reader.prefill(prompts, self.cache)
        first = len(self.live)
        self.live += wave
        return self._write(logits_PV, first)

    def _is_long(self, row: _Row) -> bool:
        return len(row.request.prompt) > self.read_at_once

    def _read_on(self, row: _Row) -> list[WrittenToken]:
        """Read the next piece of a long prompt; after the last one it gets its slot."""
        if self.desk is None:
            self.desk = self.reader.cache(1, self.capacity)
        piece = row.request.prompt[row.read : row.read + self.read_at_once]
        logits_1V = self.reader.read_on(piece, row.index, self.desk)
        row.read += len(piece)
        if row.read < len(row.request.prompt):
            return []

        self.cache.adopt(self.desk)
        self._clear_desk()
        self.live.append(row)
        return self._write(logits_1V, len(self.live) - 1)

    def _write(self, logits_BV: Tensor, first: int) -> list[WrittenToken]:
        """Choose a token for the live answers from `first` on; those that end leave their slots."""
        rows = self.live[first:]
        written = []
        for row, chosen in zip(rows, choose(logits_BV, [row.chooser for row in rows]), strict=True):
            row.last = chosen.token
            row.written += 1
            row.chooser.wrote(chosen.token)
            end = _end(row)
            written.append(WrittenToken(row.handle, chosen.token, chosen.logprob, chosen.top, end))

        for place in reversed(range(len(rows))):
            if written[place].end:
                self._release(first + place)
        return written

    def _seated(self, row: _Row) -> _Row:
        if row.adapter is not None:
            assert row.adapter.weights is not None  # kept while a request uses it
            row.place = self.bank.seat(row.adapter.weights)
        return row

    def _release(self, number: int) -> None:
        self._let_go(self.live[number])
        self.live[number] = self.live[self.cache.release(number)]
        self.live.pop()

    def _let_go(self, row: _Row) -> None:
        if row.place is not None:
            self.bank.leave(row.place)
            row.place = None
        if row.adapter is not None:
            self.shelf.let_go(row.adapter)

    def _clear_desk(self) -> None:
        self.reading = None
        if self.desk is not None:
            self.desk.lengths[0] = 0

    def _refuse_unusable(self, request: AnswerRequest) -> None:
        if len(request.prompt) >= self.capacity:
            what = f"the prompt has {len(request.prompt)} tokens, and with an answer there is room for {self.capacity}"
            raise InputError(what, where="prompt", fix="shorten it")
        tokens = {"prompt": request.prompt, "stop_ids": request.stop_ids, "logit_bias": request.choice.logit_bias}
        for where, given in tokens.items():
            if (worst := max(given, default=0)) >= self.vocabulary or min(given, default=0) < 0:
                what = f"the model has {self.vocabulary:,} tokens, and none of this number"
                raise InputError(what, where=where, value=worst, fix="use the tokenizer of this model")


def _end(row: _Row) -> End | None:
    if row.last in row.request.stop_ids:
        return "stop"
    if row.written >= row.limit or row.chooser.is_stuck:
        return "length"
    return None


def _reader(model: Any) -> CachedDecoder:
    """The fast reader over copied weights where there is room. Raises ModelError where the model has none."""
    layers = read_model(model)
    if isinstance(layers, str):
        raise _no_reader(layers)
    size = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    copies = not quantised_linears(model) and room_for_copy(size)
    reader = fast_reader(model, copies)
    if reader is None:
        raise _no_reader(f"{type(model).__name__} is read otherwise than by transformers")
    return reader


def _no_reader(why: str) -> ModelError:
    what = f"the built-in engine cannot serve this model: {why}"
    return ModelError(what, where="base", fix="serve it by an engine of your own: whet serve --engine-url URL")


def _most_tokens(reader: CachedDecoder, slots: int) -> int:
    """Tokens a slot for which the cache stays within its share of memory. Raises ModelError for too few."""
    layer, one = len(reader.layers), reader.layers[0]
    token = layer * 2 * one.key_heads * one.size * reader.embedding.element_size()
    most = int(CACHE_SHARE * available_memory()) // (token * (slots + 1))
    if most < 2:
        raise ModelError("there is no memory for keys and values", where="slots", value=slots, fix="give fewer slots")
    return most


def read_at_once(model: Any) -> int:
    """Prompt tokens of one reading: fewer for a larger model."""
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return max(LEAST_READ, min(READ_AT_ONCE, READ_WORK // parameters))
