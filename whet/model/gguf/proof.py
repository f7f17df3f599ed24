"""The proof of a rebuilt tokenizer: fixed texts, marks and talks, read and written back before it is used."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from whet.data.refused import RowRefused
from whet.data.render.renderer import Renderer
from whet.errors import ModelError, shorten
from whet.model.gguf.header import COPY_AGAIN, refusal
from whet.types import Message

TEXTS = (
    "a", "Hello, world!", "The year 2024 had 366 days; 3.14159 is pi.", "  two spaces,\ttabs\nand\n\nlines  ",
    "def f(x):\n    return x**2  # it's fine, isn't it?", "Grüße aus Köln, naïve café",
    "Привет, мир", "你好，世界", "日本語のテキスト", "line\n\n 12",
    "مرحبا بالعالم", "नमस्ते दुनिया", "👍🏽 ok 🇩🇪", "CamelCase HTTPServer I'LL we're", "{\"key\": [1, 22, 333, 4444]}",
)  # fmt: skip
"""Those whose characters the vocabulary lacks are left out."""
USER: Message = {"role": "user", "content": "Hello, 123: it's fine"}
TALKS: list[list[Message]] = [
    [USER],
    [{"role": "system", "content": "Be kind."}, USER, {"role": "assistant", "content": "Yes."}, USER],
]
SHAPES = re.compile(r"<\S+>|\[\S+\]")
"""What marks look like: <|user|>, <s>, [INST]."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Of a tokenizer as it was built, and as transformers opens what was written."""

    path: Path
    core: Tokenizer
    opened: Any
    ids: Mapping[str, int]
    marks: Sequence[str]
    """Tokens that are found in a text before anything else."""
    spells: Callable[[str], bool]
    """Whether the vocabulary has what a text is made of."""

    def run(self) -> None:
        """Raises ModelError unless every text comes back as it was, and transformers gives the same tokens; so, too,
        for a talk written by the template, in which marks are single tokens."""
        spelled = [text for text in TEXTS if self.spells(text)]
        if not spelled:
            raise refusal(self.path, "its vocabulary spells none of the texts that it is tried on", COPY_AGAIN)

        for text in spelled:
            back = self.core.decode(self.both(text), skip_special_tokens=False)
            self.agree(text, back, "its tokenizer, rebuilt, does not give back what it read")

        for token in self.marks:
            if self.ids[token] not in self.both(f"a{token}a"):
                raise self.cut(token)

        if self.opened.chat_template:
            for talk in TALKS:
                self.try_template(talk)

    def both(self, text: str) -> list[int]:
        """The tokens of a text, the same from both."""
        ids = self.core.encode(text, add_special_tokens=False).ids
        theirs = self.opened(text, add_special_tokens=False)["input_ids"]
        self.agree(ids, theirs, "transformers reads other tokens")
        return ids

    def try_template(self, talk: list[Message]) -> None:
        """What the template writes must come back from its tokens, and what looks like a mark and is a token must be
        one there. A template that refuses to write is told later, as that of any base is, where there are rows to write
        with it."""
        try:
            renderer = Renderer(self.opened)
            text, ids = renderer.prompt_text(talk), renderer.prompt_ids(talk)
        except (ModelError, RowRefused):
            return

        if self.spells(text):
            self.agree(text, self.written(ids), "what its chat template writes does not come back from its tokens")

        for token, times in self.shaped(text).items():
            if ids.count(self.ids[token]) < times:
                raise self.cut(token)

    def shaped(self, text: str) -> Counter[str]:
        """Tokens that have the shape of a mark, and how often they stand in a text; the longest where they overlap."""
        found = sorted((t for t in self.ids if t in text and SHAPES.fullmatch(t)), key=len, reverse=True)
        if found:
            return Counter(re.findall("|".join(map(re.escape, found)), text))
        return Counter()

    def written(self, ids: Sequence[int]) -> str:
        """Tokens as text, stretch by stretch between marks: each may begin with a space that was put there."""
        marks = {self.ids[token] for token in self.marks}
        stretches = [list(group) for _, group in groupby(ids, key=marks.__contains__)]
        return "".join(self.core.decode(stretch, skip_special_tokens=False) for stretch in stretches)

    def cut(self, token: str) -> ModelError:
        what = f"its tokenizer, rebuilt, cuts the mark {token!r} into pieces"
        return refusal(self.path, what, "use the safetensors folder of this model")

    def agree(self, wanted: str | Sequence[int], found: str | Sequence[int], what: str) -> None:
        if wanted != found:
            fix = "use the safetensors folder of this model"
            raise refusal(self.path, f"{what}: {shorten(wanted)} became {shorten(found)}", fix)
