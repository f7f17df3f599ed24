"""The texts of a row and their words as numbers: cut once, though many checks look at the row.

Shape legend: W words of one text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from whet.data.split.row_traits import content_hash
from whet.doctor.analysis.pair_answers import answer_words, digest
from whet.text.words import WORDS
from whet.types import Message, Row

SHORT_WORDS, SHORT_CHARACTERS = 8, 80
"""An answer up to this long may be one of few labels."""
MOST_WORDS = 500_000
"""Words whose numbers are remembered."""


class RowTexts:
    """What checks ask of a row, worked out when the first of them asks."""

    def __init__(self, row: Row) -> None:
        self.row = row

    @cached_property
    def prompt(self) -> str:
        """What comes before the last answer, without the system prompt."""
        return prompt_text(self.row)

    @cached_property
    def answer(self) -> str:
        """What is to be learned: the last answer, or the whole text."""
        return answer_text(self.row)

    @cached_property
    def label(self) -> str | None:
        """The answer, where it is short enough to be one of few labels. None for pairs, marks and texts."""
        return _label(self.row, self.answer)

    @cached_property
    def digest(self) -> bytes:
        """Of the answer or the label: 8 bytes, equal where only case and spaces differ."""
        return digest(self.label or self.answer)[:8]

    @cached_property
    def content(self) -> bytes:
        """8 bytes, equal for rows that are equal in everything that is learned or shown."""
        return bytes.fromhex(content_hash(self.row)[:16])

    @cached_property
    def prompt_W(self) -> np.ndarray:
        """Hashes of the prompt's words, in order; case and punctuation do not count. Of a text without messages:
        empty."""
        return hashed(words(self.prompt))

    @cached_property
    def answer_W(self) -> np.ndarray:
        """Those of the answer, or of a text without messages."""
        return hashed(words(self.answer))


class _Hashes(dict[str, int]):
    def __missing__(self, word: str) -> int:
        if len(self) >= MOST_WORDS:
            self.clear()
        digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        self[word] = number = int.from_bytes(digest, "little")
        return number


_hashes = _Hashes()
_last: list[RowTexts] = []
"""Of the row that was looked at last, which is held so that no other row can take its identity."""


def row_texts(row: Row) -> RowTexts:
    """Checks look at one row one after another, so only the last one is remembered. Rows must not change between."""
    if not _last or _last[0].row is not row:
        _last[:] = [RowTexts(row)]
    return _last[0]


def words(text: str) -> list[str]:
    return WORDS.findall(text.casefold())


def hashed(found: Sequence[str]) -> np.ndarray:
    """W uint64, equal for equal words in every run."""
    return np.fromiter(map(_hashes.__getitem__, found), np.uint64, len(found))


def prompt_text(row: Row) -> str:
    """What comes before the last answer, without the system prompt."""
    return answer_words([message for message in row.prompt if not _is_system(message)])


def answer_text(row: Row) -> str:
    """What is to be learned: the last answer, or the whole text."""
    if row.text is not None:
        return row.text
    return answer_words(row.messages[len(row.prompt) :])


def whole_text(row: Row) -> str:
    """All that is said but the system prompt; of a pair, both answers."""
    if row.text is not None:
        return row.text
    said = row.messages + (row.rejected[row.shared :] if row.rejected is not None else [])
    return answer_words([message for message in said if not _is_system(message)])


def ngrams(hash_W: np.ndarray, size: int) -> np.ndarray:
    """Hashes of all runs of `size` words, W - size + 1 of them; none where there are fewer words."""
    count = len(hash_W) - size + 1
    if count < 1:
        return np.zeros(0, np.uint64)

    mixed = np.zeros(count, np.uint64)
    for place in range(size):
        mixed = (mixed ^ hash_W[place : place + count]) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)

    return mixed


def _is_system(message: Message) -> bool:
    return message["role"] in ("system", "developer")


def _label(row: Row, answer: str) -> str | None:
    if row.rejected is not None or row.desirable is not None or row.text is not None:
        return None
    if isinstance(row.target, list):
        return ", ".join(row.target)
    short = 0 < len(answer.strip()) <= SHORT_CHARACTERS and len(answer.split()) <= SHORT_WORDS
    return row.label or (answer.strip() if short else None)
