"""Rows that one template was filled in for: the same words with other names and numbers.

A row's frame is what is left of its words when names and numbers are taken out: every word with a digit or a capital
becomes a gap, and gaps that touch are one. Rows with equal frames belong together. Gaps that are filled with small
words ("a toaster", "a kettle") are found as slots: where at least three frames differ in nothing but the same run of up
to three words. Nothing here depends on the language, but a script without capitals and spaces shows no frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from whet.data.split.words import word_hash
from whet.text.words import WORDS_AND_SIGNS
from whet.types import Message, Row

GAP = "\0"
FIXED = 4
"""Words of a prompt that must be left for it to be a frame: "_ is the capital of _" is one, "_ has _ pears" is not."""
LONG = 12
"""Words left of a prompt from which it is a frame whatever the answer; a shorter one must be half of its row. A short
question with a long answer (what are the symptoms of _ ?) is the task, and the rows are told apart by the answer."""
SLOT, SLOT_FIXED, SLOT_LONGEST = 3, 6, 40
"""Words of the longest slot; words that must be left beside it; words of the longest frame that is searched for slots:
longer rows that differ in a slot are near-duplicates anyway."""
PASSAGE = 20
"""Words of a line of a prompt from which it counts as a passage that rows were made from, and not as a question."""

_FACTORS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5], dtype=np.uint64)


@dataclass(frozen=True, slots=True)
class Frame:
    """Words with gaps; empty where the row has none."""

    whole: list[str]
    """Of prompt and answer."""
    asked: list[str]
    """Of the prompt alone."""
    passages: list[str]
    """The two longest lines of the prompt that are long enough, longest first."""


def frame_of(row: Row) -> Frame:
    """The frame of a row; a row of plain text has none."""
    if row.text is not None:
        return Frame([], [], [])
    prompt = "\n".join(_said(message) for message in row.prompt)
    answers = row.messages[len(row.prompt) :] + (row.rejected or [])[len(row.prompt) :]
    asked, words, fixed = with_gaps(prompt)
    passages = sorted({line for line in prompt.split("\n") if len(line.split()) >= PASSAGE}, key=lambda t: (-len(t), t))

    if fixed < FIXED or 2 * fixed < words:
        return Frame([], [], passages[:2])
    answer, more_words, more_fixed = with_gaps("\n".join(_said(message) for message in answers))
    whole = 2 * (fixed + more_fixed) >= words + more_words
    alone = fixed >= LONG or words >= more_words

    return Frame([*asked, *answer] if whole else [], asked if alone else [], passages[:2])


def with_gaps(text: str) -> tuple[list[str], int, int]:
    """(words with gaps, number of words, number of those that are left); punctuation is kept and not counted."""
    found: list[str] = []
    words = gaps = 0
    for word in map(_left, WORDS_AND_SIGNS.findall(text)):
        if word == GAP:
            gaps += 1
            if found and found[-1] == GAP:
                continue

        found.append(word)
        words += word[0].isalpha()

    return found, words + gaps, words


@lru_cache(maxsize=65_536)
def _left(word: str) -> str:
    """What a frame shows of a word: the word without case, or a gap."""
    if not (word[0].isalnum() or word[0] == "_"):
        return word
    if word.isalpha() and (word == "I" or not word[0].isupper()):
        return word.casefold()
    return GAP


def slot_keys(frames: Sequence[list[str]]) -> tuple[np.ndarray, np.ndarray]:
    """Keys of all slots that the frames may have, flat, and how many each frame has: two frames that differ in one slot
    alone share a key, however many words fill it.

    A key is made of a hash of the words before the slot, counted from the front, and one of those after it, counted
    from the back, modulo 2**64.
    """
    long = [words if SLOT_FIXED < len(words) <= SLOT_LONGEST else [] for words in frames]
    size_R = np.array([len(words) for words in long], dtype=np.int64)
    if not size_R.sum():
        return np.zeros(0, np.uint64), np.zeros(len(long), np.int64)

    hash_W = np.frombuffer(b"".join(word_hash(word) for words in long for word in words), dtype=np.uint64)
    fixed_W = np.array([word.isalpha() for words in long for word in words])
    end_R = np.cumsum(size_R)
    row_W = np.repeat(np.arange(len(long)), size_R)
    begin_W, end_W = (end_R - size_R)[row_W], end_R[row_W]
    place_W = np.arange(len(row_W)) - begin_W
    power = np.cumprod(np.full(SLOT_LONGEST + 1, _FACTORS[0]), dtype=np.uint64)
    before = np.concatenate(([np.uint64(0)], np.cumsum(hash_W * power[place_W], dtype=np.uint64)))
    after = np.concatenate(([np.uint64(0)], np.cumsum(hash_W * power[end_W - begin_W - 1 - place_W], dtype=np.uint64)))
    count = np.concatenate(([0], np.cumsum(fixed_W)))

    keys, rows = [], []
    for width in range(1, SLOT + 1):
        first = np.flatnonzero(np.arange(len(row_W)) + width <= end_W)
        last = first + width
        begin, end = begin_W[first], end_W[first]
        left = count[end] - count[begin] - width
        good = (count[last] - count[first] == width) & (left >= SLOT_FIXED)
        first, last, begin, end = first[good], last[good], begin[good], end[good]
        key = (before[first] - before[begin]) * _FACTORS[1] + (after[end] - after[last]) * _FACTORS[2]
        key += (first - begin).astype(np.uint64) * _FACTORS[3] + (end - last).astype(np.uint64) * _FACTORS[0]
        keys.append(key ^ (key >> np.uint64(31)))
        rows.append(row_W[first])

    row_K = np.concatenate(rows)
    order = np.argsort(row_K, kind="stable")
    return np.concatenate(keys)[order], np.bincount(row_K, minlength=len(long))


def _said(message: Message) -> str:
    """A message's words as they are; nothing of a system prompt, which many rows share."""
    if message.get("role") == "system":
        return ""
    content = message.get("content")
    calls = (repr(call.get("function")) for call in message.get("tool_calls") or [])
    return "\n".join([content if isinstance(content, str) else repr(content), *calls])
