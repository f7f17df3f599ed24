"""How a model reads: its tokenizer and the template that it was trained with, opened once and shared.

A thousand tunes of one base have the same tokenizer files; those are told by their checksums, and held once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from whet.data.render.renderer import Renderer
from whet.model.base import load_tokenizer, saved_tokenizer
from whet.model.saved_model import ModelFacts, prove_template
from whet.server.inference.words.token_bytes import TokenBytes
from whet.store.checksums import SUMS
from whet.types import Message

MOST = 32
"""Tokenizers held at once."""
READS = ("tokenizer", "chat_template", "special_tokens", "added_tokens", "vocab", "merges")
"""What files of a tokenizer begin with."""


@dataclass
class Wording:
    """A tokenizer is used by one thread at a time: its settings are changed by those who use it."""

    tokenizer: Any
    renderer: Renderer
    turn: threading.Lock = field(default_factory=threading.Lock)
    guides: threading.Lock = field(default_factory=threading.Lock)
    """For grammars, which take longer to compile than a prompt to render."""

    @cached_property
    def stop_ids(self) -> frozenset[int]:
        return self.renderer.stop_ids

    @cached_property
    def bytes(self) -> TokenBytes:
        return TokenBytes(self.tokenizer)

    def prompt(self, messages: Sequence[Message], tools: list[dict[str, Any]] | None, beginning: str = "") -> list[int]:
        """Ids of a conversation up to where the answer begins, and of what that must begin with. Raises RowRefused,
        also for text that would turn into control tokens."""
        with self.turn:
            self.renderer.refuse_foreign(messages, tools)
            ids = self.renderer.prompt_ids(messages, tools)
            if beginning:
                ids = [*ids, *self.tokenizer(beginning, add_special_tokens=False)["input_ids"]]
            return ids

    def ids(self, text: str) -> list[int]:
        """Of a plain text, with what the tokenizer puts before it."""
        with self.turn:
            return list(self.tokenizer(text)["input_ids"])

    def decode(self, ids: Sequence[int], *, control: bool) -> str:
        """`control`: with control tokens as they are written."""
        with self.turn:
            return str(
                self.tokenizer.decode(list(ids), skip_special_tokens=not control, clean_up_tokenization_spaces=False)
            )


class Wordings:
    """Opened at first use; those that are used least leave. May be used by several threads."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, Wording] = OrderedDict()
        self._sound: set[str] = set()
        """Model folders whose template was proved, with their tokenizer files."""
        self._turn = threading.Lock()

    def of_base(self, name: str) -> Wording:
        """A base's own; templates that write the date write today's."""
        return self._get(f"{name} {date.today()}", lambda: Renderer(load_tokenizer(name)))

    def of_trained(self, folder: Path, facts: ModelFacts) -> Wording:
        """As in training, and proved to be. Raises ProofError, ModelError."""
        clock = datetime.fromisoformat(facts["clock"])
        key = f"{_files(folder)} {facts['clock']}"
        wording = self._get(key, lambda: Renderer(saved_tokenizer(folder), clock=clock))

        sound = f"{folder} {key} {facts['golden_ids']}"
        if sound not in self._sound:
            with wording.turn:
                prove_template(facts, wording.renderer)
            self._sound.add(sound)
        return wording

    def _get(self, key: str, make: Callable[[], Renderer]) -> Wording:
        with self._turn:
            if key not in self._held:
                renderer = make()
                self._held[key] = Wording(renderer.tokenizer, renderer)
                while len(self._held) > MOST:
                    self._held.popitem(last=False)
            self._held.move_to_end(key)
            return self._held[key]


def _files(folder: Path) -> str:
    """Which tokenizer files lie in a model folder; the folder itself where it has no checksums."""
    if not (folder / SUMS).is_file():
        return str(folder)
    lines = (folder / SUMS).read_text("utf-8").splitlines()
    return " ".join(line for line in sorted(lines) if line.partition("  ")[2].startswith(READS))
