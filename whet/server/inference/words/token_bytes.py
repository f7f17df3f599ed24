"""The bytes of each token, which log-probabilities come with: a token may be a part of a character."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

BYTE = re.compile(r"<0x([0-9A-F]{2})>")
"""How tokenizers with byte fallback write a byte."""
WORD_START = "\u2581"
"""How SentencePiece writes a space."""


class TokenBytes:
    """Of one tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.whole = {number: token for token, number in tokenizer.get_added_vocab().items()}
        """Tokens that are written as they are."""
        backend = getattr(tokenizer, "backend_tokenizer", None)
        self.by_bytes = "ByteLevel" in str(getattr(backend, "decoder", ""))

    def of(self, token: int) -> bytes:
        """Empty for a number that no token has."""
        if token in self.whole:
            return self.whole[token].encode("utf-8", "replace")
        text = self.tokenizer.convert_ids_to_tokens(token)
        if text is None:
            return b""
        if self.by_bytes and all(letter in byte_of() for letter in text):
            return bytes(byte_of()[letter] for letter in text)
        if match := BYTE.fullmatch(text):
            return bytes([int(match[1], 16)])
        return text.replace(WORD_START, " ").encode("utf-8", "replace")

    def shown(self, token: int) -> str:
        """As text; bytes that are a part of a character as OpenAI writes them, `\\xe2\\x82`."""
        return self.of(token).decode("utf-8", "backslashreplace")


@cache
def byte_of() -> dict[str, int]:
    """The byte that each letter of a byte-level vocabulary stands for (GPT-2's bytes_to_unicode, turned round)."""
    shown = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]
    table = {chr(byte): byte for byte in shown}
    hidden = [byte for byte in range(256) if byte not in shown]
    return table | {chr(256 + place): byte for place, byte in enumerate(hidden)}
