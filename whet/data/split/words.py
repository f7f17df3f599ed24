"""The hash of a word: the same in every process and on every machine."""

from __future__ import annotations

import hashlib
from functools import lru_cache


@lru_cache(maxsize=65_536)
def word_hash(word: str) -> bytes:
    """8 bytes."""
    return hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
