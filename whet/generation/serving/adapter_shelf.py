"""All adapters that requests may name: read and proved once, kept in memory up to a budget, read again when needed."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from whet.errors import InputError, ModelError, nearest
from whet.generation.decoder_layers import CachedDecoder
from whet.generation.prefill import Prompt
from whet.generation.serving.adapter_bank import AdapterBank, LaidOut
from whet.generation.serving.adapter_form import AdapterFile, AdapterForm, read_folder
from whet.model.architecture_proof import TOLERANCE

FORMS = 4
"""Models with PEFT's places that are kept: adapters of a base seldom have more forms at a time."""
PROMPT, STEPS = 6, 2
"""Tokens of the proof's prompts, and after them."""
NOISE = {torch.float32: 3e-5, torch.bfloat16: 0.03, torch.float16: 5e-3}
"""Part of the logits that rounding changes, beside TOLERANCE of what the adapter changes."""


@dataclass(slots=True, eq=False)
class Shelved:
    """An adapter under its name. Requests that entered hold on to it, whatever the name means later."""

    name: str
    file: AdapterFile
    pinned: bool
    weights: LaidOut | None = None
    users: int = 0
    """Requests that wait for it or are written by it: meanwhile it stays in memory."""


class AdapterShelf:
    """Adapters of one base by name. `budget` bounds the bytes of those that no request uses and nobody pinned."""

    def __init__(self, model: Any, reader: CachedDecoder, bank: AdapterBank, budget: int) -> None:
        self.model, self.reader, self.bank, self.budget = model, reader, bank, budget
        self.named: dict[str, Shelved] = {}
        self.in_memory: OrderedDict[int, Shelved] = OrderedDict()
        """Least recently used first, by id."""
        self.held = 0
        """Their bytes."""
        self.forms: OrderedDict[str, AdapterForm] = OrderedDict()
        vocabulary = model.config.get_text_config().vocab_size
        self.texts_BL = torch.randint(vocabulary, (2, PROMPT + STEPS), generator=torch.Generator().manual_seed(1))
        self.base_logits = self._own_logits(model)
        self.reads = 0
        """Times that an adapter came from disk."""

    def load(self, name: str, folder: Path, pinned: bool) -> None:
        """Read, prove and name an adapter. The same bytes under the same name cost nothing; others take the name over.
        Raises ModelError."""
        file, tensors = read_folder(folder)
        known = self.named.get(name)
        if known is not None and known.file == file:
            known.pinned = pinned
            return

        entry = Shelved(name, file, pinned)
        self._take(entry, tensors)
        self._prove(entry)
        if known is not None:
            self.drop(name)
        self.named[name] = entry
        self._make_room()

    def drop(self, name: str) -> None:
        """Forget a name; answers that it writes are written to their end. Raises InputError for an unknown one."""
        entry = self.find(name)
        del self.named[name]
        if not entry.users:
            self._put_away(entry)

    def find(self, name: str) -> Shelved:
        if name not in self.named:
            what = f"no adapter of this name is loaded{nearest(name, list(self.named))}"
            raise InputError(what, where="adapter", value=name, fix="load_adapter it first")
        return self.named[name]

    def use(self, name: str) -> Shelved:
        """An adapter for one more request, read from disk if it is not in memory. Raises InputError, ModelError."""
        entry = self.find(name)
        if entry.weights is None:
            self._take(entry, entry.file.tensors())
        self.in_memory.move_to_end(id(entry))
        entry.users += 1
        self._make_room()
        return entry

    def let_go(self, entry: Shelved) -> None:
        """A request less."""
        entry.users -= 1
        if not entry.users and self.named.get(entry.name) is not entry:
            self._put_away(entry)
        else:
            self._make_room()

    def _take(self, entry: Shelved, tensors: dict[str, Tensor]) -> None:
        entry.weights = self.bank.pack(self._form(entry.file).fill(tensors))
        self.in_memory[id(entry)] = entry
        self.held += entry.weights.size
        self.reads += 1

    def _form(self, file: AdapterFile) -> AdapterForm:
        if file.form not in self.forms:
            self.forms[file.form] = AdapterForm(self.model, file)
        self.forms.move_to_end(file.form)
        if len(self.forms) > FORMS:
            self.forms.popitem(last=False)
        return self.forms[file.form]

    def _make_room(self) -> None:
        """Put away what was used least recently, until the rest is within the budget."""
        if self.held <= self.budget:
            return
        for entry in list(self.in_memory.values()):
            if not entry.users and not entry.pinned:
                self._put_away(entry)
            if self.held <= self.budget:
                return

    def _put_away(self, entry: Shelved) -> None:
        if entry.weights is not None:
            self.held -= entry.weights.size
            del self.in_memory[id(entry)]
        entry.weights = None

    def _prove(self, entry: Shelved) -> None:
        """The bank's logits must be those of PEFT's forward pass, on random tokens, in prompt and continuation."""
        assert entry.weights is not None
        own = self._own_logits(self._form(entry.file).model)
        place = self.bank.seat(entry.weights)
        try:
            ours = self._read_by(place.index)
        finally:
            self.bank.leave(place)

        dtype = self.base_logits.dtype
        allowed = TOLERANCE[dtype] * (own - self.base_logits).norm() + NOISE[dtype] * own.norm()
        distance = (ours - own).norm()
        if not distance <= allowed:
            self._put_away(entry)
            what = f"its logits in a shared batch differ by {float(distance / own.norm()):.2%} from PEFT's"
            fix = "serve it by an engine instead: whet serve --engine-url"
            raise ModelError(what, where=str(entry.file.folder), fix=fix)

    @torch.no_grad()
    def _own_logits(self, model: Any) -> Tensor:
        """After the prompts of the proof and each further token but the last."""
        return model(input_ids=self.texts_BL, use_cache=False).logits[:, PROMPT - 1 : -1]

    def _read_by(self, index: int) -> Tensor:
        texts = self.texts_BL.tolist()
        cache = self.reader.cache(len(texts), PROMPT + STEPS)
        logits = [self.reader.prefill([Prompt(text[:PROMPT], index) for text in texts], cache)]
        for step in range(PROMPT, PROMPT + STEPS - 1):
            logits.append(self.reader.step([text[step] for text in texts], [index] * len(texts), cache))
        return torch.stack(logits, 1)
