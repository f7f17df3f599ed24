"""Characters that the base's tokenizer does not know, or can only spell in bytes.

Why: an unknown character is lost: the model reads the same sign for all of them, and cannot write any. One that is
spelled in bytes costs three or four tokens where a known word costs one, and the base has hardly ever seen it, so a
language that the tokenizer does not hold costs more and is learned worse (Rust et al. 2021, arXiv 2012.15613; Petrov et
al. 2023, arXiv 2305.15425).

What is looked at: every character beyond ASCII, one by one. A row is named for one unknown character, or where those
that take three tokens or more make up a tenth of its text.

Example:
    {"prompt": "返品できますか?", "completion": "はい、30日以内です。"}

Fix: choose a base whose tokenizer knows the script. A few emoji can be left out.

Sure: yes, of the tokens; they are counted with the recipe's own base.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

from whet.doctor.check import CheckContext
from whet.doctor.text_checks import ExampleCheck, count_phrase, texts_of
from whet.types import Finding, Row

SPELLED = 3
"""Tokens for one character from which on it is spelled in bytes."""
MANY = 0.1
"""Of a row's characters."""


class TokenizerGaps(ExampleCheck):
    code = "tokenizer-gaps"
    says = "is|are written in characters that the base's tokenizer spells in bytes"
    remedy = "choose a base whose tokenizer knows these characters"

    def __init__(self) -> None:
        super().__init__()
        self.unknown: list[int] = []
        self.first_unknown = ""
        self.setting: CheckContext | None = None

    def begin(self, setting: CheckContext) -> None:
        self.setting = setting
        tokenizer = setting.tokenizer
        empty = len(tokenizer.encode("x", add_special_tokens=False))

        @lru_cache(maxsize=65536)
        def cost(char: str) -> int:
            """Tokens of a character; 0 for one that is unknown."""
            ids = tokenizer.encode(f"x{char}", add_special_tokens=False)
            unknown = tokenizer.unk_token_id
            if unknown is not None and unknown in ids:
                return 0
            return len(ids) - empty

        self.cost = cost

    def inspect(self, row: Row) -> tuple[bool, str] | None:
        if self.setting is None:
            return None

        total, spelled, shown = 0, 0, ""
        for text in texts_of(row):
            total += len(text)
            if text.isascii():
                continue

            for char, count in Counter(text).items():
                if char.isascii():
                    continue

                cost = self.cost(char)
                if cost == 0:
                    return True, f"{char!r} (U+{ord(char):04X})"

                if cost >= SPELLED:
                    spelled, shown = spelled + count, shown or f"{char!r} takes {cost} tokens"

        if spelled > MANY * total:
            return (False, shown)
        return None

    def record(self, index: int, where: str, found: tuple[bool, str]) -> None:
        if found[0]:
            self.unknown.append(index)
            self.first_unknown = self.first_unknown or f"{where}: {found[1]}"
        else:
            super().record(index, where, found[1])

    def findings(self) -> list[Finding]:
        found = super().findings()
        if self.unknown:
            says = "holds|hold characters that the base's tokenizer does not know, so they are lost"
            message = f"{count_phrase(len(self.unknown), says)} ({self.first_unknown})"
            found.insert(0, self.finding("warning", message, self.unknown, self.remedy))
        return found
