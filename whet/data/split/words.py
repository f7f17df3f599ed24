"""What a word is, and its hash: the same in every process and on every machine."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

WORD = re.compile(r"\w+|[^\w\s]")
"""Letters and digits that touch; each mark of punctuation is a word of its own."""


@lru_cache(maxsize=65_536)
def word_hash(word: str) -> bytes:
    """8 bytes."""
    return hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
