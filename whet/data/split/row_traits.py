"""What the split looks at, row by row, without the row: hashes, labels, words and their MinHash.

The words and their shingles wait on disk until the split is made; the rest is some hundred bytes a row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from whet.data.column import Column
from whet.data.split.skeletons import frame_of, slot_keys
from whet.data.split.words import word_hash
from whet.data.spool import Spool
from whet.text.words import WORDS_AND_SIGNS
from whet.types import Row

HASHES, BANDS = 96, 32
"""Three hashes a band: a pair of similarity 0.7 is missed with probability (1 - 0.7**3)**32 = 2e-6."""
SHINGLE = 3
HEAD = 32
"""Bytes of a row's words that are kept in memory, to order rows by their words."""
COLUMNS = {
    "content": "S32",
    "text": "S16",
    "prompt": "S16",
    "opening": "S16",
    "group": "S16",
    "frame": "S16",
    "asked": "S16",
    "passage": "S16",
    "second": "S16",
    "head": f"S{HEAD}",
    "answered": "?",
    "length": "i4",
    "shingles": "i4",
    "slots": "i4",
    "label": "i4",
}
SLAB = 8192
"""Rows whose band keys are read at a time."""


@dataclass(slots=True)
class RowTraits:
    """The traits of some rows, R of them, in arrays that are cheap to hand from one process to another: COLUMNS, and
    what goes to disk."""

    content_R: np.ndarray
    """sha256 of everything that is learned or shown."""
    text_R: np.ndarray
    """Digest of the words; empty where there are none. So are the digests of prompt, opening and group."""
    prompt_R: np.ndarray
    opening_R: np.ndarray
    """Of the words up to and with the first answer: where a conversation goes on in another row, both have it."""
    group_R: np.ndarray
    frame_R: np.ndarray
    """Of the row's frame, of that of its prompt alone, and of the two longest passages in it:
    whet/data/split/skeletons.py."""
    asked_R: np.ndarray
    passage_R: np.ndarray
    second_R: np.ndarray
    head_R: np.ndarray
    """The first bytes of the words."""
    answered_R: np.ndarray
    length_R: np.ndarray
    """Bytes of the words, joined by spaces, in `words`."""
    shingles_R: np.ndarray
    """Number of the row's shingles in `shingle`."""
    slots_R: np.ndarray
    """Number of the row's keys in `slot`."""
    band_RB: np.ndarray
    """Keys of the MinHash bands."""
    words: bytes
    shingle: np.ndarray
    slot: np.ndarray
    """Keys of the slots that the frames of prompts may have."""
    labels: list[str]


def compute_traits(rows: Sequence[Row], near_duplicates: bool = True) -> RowTraits:
    """The traits of rows; without shingles where near-duplicates do not matter."""
    words = [_words_of_parts(row) for row in rows]
    texts = [_bytes(parts.all) for parts in words]

    if near_duplicates and rows:
        shingle, begin_R = shingles(parts.all for parts in words)
        count_R = np.diff(np.append(begin_R, len(shingle)))
        band_RB = _bands(_signatures(shingle, begin_R))
    else:
        shingle, count_R = np.zeros(0, np.uint64), np.zeros(len(rows), np.int64)
        band_RB = np.zeros((len(rows), 0), np.uint64)

    frames = [frame_of(row) for row in rows]
    slot, slots_R = slot_keys([frame.asked for frame in frames])
    contents = [bytes.fromhex(content_hash(row)) for row in rows]
    heads = [text[:HEAD] for text in texts]

    return RowTraits(
        content_R=np.array(contents, dtype="S32"),
        text_R=np.array(list(map(_digest, texts)), dtype="S16"),
        prompt_R=_digests(parts.prompt for parts in words),
        opening_R=_digests(parts.opening for parts in words),
        group_R=np.array([_group_digest(row.group) for row in rows], dtype="S16"),
        frame_R=_digests(frame.whole for frame in frames),
        asked_R=_digests(frame.asked for frame in frames),
        passage_R=_digests(frame.passages[:1] for frame in frames),
        second_R=_digests(frame.passages[1:] for frame in frames),
        head_R=np.array(heads, dtype=f"S{HEAD}"),
        answered_R=np.array([bool(row.reference.strip()) for row in rows], dtype=bool),
        length_R=np.array(list(map(len, texts)), dtype=np.int32),
        shingles_R=count_R.astype(np.int32),
        slots_R=slots_R.astype(np.int32),
        band_RB=band_RB,
        words=b"".join(texts),
        shingle=shingle,
        slot=slot,
        labels=[row.label or "" for row in rows],
    )


class Traits:
    """The traits of all rows, R of them: columns in memory, words, shingles and keys on disk."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._columns = {name: Column(dtype) for name, dtype in COLUMNS.items()}
        self._words, self._shingles, self._bands, self._slots = (Spool(folder) for _ in range(4))
        self._label_numbers: dict[str, int] = {}
        self._begin_R: dict[str, np.ndarray] = {}
        self._size = 0

    @staticmethod
    def of(rows: Sequence[Row], near_duplicates: bool = True) -> Traits:
        traits = Traits()
        traits.add(compute_traits(rows, near_duplicates))
        return traits

    def __len__(self) -> int:
        return self._size

    @property
    def label_names(self) -> list[str]:
        """The different labels; the column `label` counts in this list."""
        return list(self._label_numbers)

    def add(self, more: RowTraits) -> None:
        labels = [self._label_numbers.setdefault(label, len(self._label_numbers)) for label in more.labels]
        for name, column in self._columns.items():
            if name == "label":
                column.add(np.array(labels))
            else:
                column.add(getattr(more, f"{name}_R"))

        self._words.append(more.words)
        self._shingles.append(more.shingle.tobytes())
        self._bands.append(more.band_RB.tobytes())
        self._slots.append(more.slot.tobytes())
        self._size += len(more.labels)
        self._begin_R.clear()

    def column(self, name: str) -> np.ndarray:
        """One of COLUMNS: one value a row."""
        return self._columns[name].whole()

    def words_at(self, row: int, offset: int, count: int) -> bytes:
        """At most `count` bytes of the row's words from `offset` on."""
        begin_R = self._begins("length")
        left = int(begin_R[row + 1] - begin_R[row]) - offset
        if left > 0:
            return self._words.read(int(begin_R[row]) + offset, min(count, left))
        return b""

    def shingles_of(self, row: int) -> frozenset[int]:
        begin_R = self._begins("shingles")
        begin, end = int(begin_R[row]), int(begin_R[row + 1])
        return frozenset(np.frombuffer(self._shingles.read(8 * begin, 8 * (end - begin)), np.uint64).tolist())

    def slots(self, begin: int, end: int) -> np.ndarray:
        """Of the keys of all rows' slots, one after the other, those from `begin` to before `end`; the column `slots`
        says how many are whose."""
        return np.frombuffer(self._slots.read(8 * begin, 8 * (end - begin)), np.uint64)

    def spool(self) -> Spool:
        """A new one, where the words wait too."""
        return Spool(self._folder)

    def band(self, number: int) -> np.ndarray:
        """The keys of one band, one a row."""
        key_R = np.empty(self._size, dtype=np.uint64)
        for begin in range(0, self._size, SLAB):
            data = self._bands.read(8 * BANDS * begin, 8 * BANDS * SLAB)
            slab = np.frombuffer(data, np.uint64).reshape(-1, BANDS)
            key_R[begin : begin + len(slab)] = slab[:, number]
        return key_R

    def _begins(self, name: str) -> np.ndarray:
        if name not in self._begin_R:
            self._begin_R[name] = np.concatenate(([0], np.cumsum(self.column(name), dtype=np.int64)))
        return self._begin_R[name]


def words_of(row: Row) -> list[str]:
    """The words of a row, prompt and answer, without case, punctuation kept as words of its own."""
    return _words_of_parts(row).all


def content_hash(row: Row) -> str:
    """sha256 over everything that is learned or shown: equal for equal rows, wherever they are in the file."""
    messages = [sorted(message.items(), key=lambda item: item[0]) for message in row.messages]
    content = repr((row.text, messages, row.tools, row.label))
    if row.target is not None:
        content += repr(row.target)
    if row.rejected is not None:
        content += repr([sorted(message.items(), key=lambda item: item[0]) for message in row.rejected])
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class _RowWords:
    """The words of a row, of a pair with both answers, and of two parts of it."""

    all: list[str]
    """Without the system prompt."""
    prompt: list[str]
    """Of everything before the last message; of a pair, before both answers."""
    opening: list[str]
    """Up to the first answer, without the system prompt; none where a pair begins with its answers."""


def _words_of_parts(row: Row) -> _RowWords:
    if row.rejected is None:
        before, messages = max(0, len(row.messages) - 1), row.messages
    else:
        before, messages = row.shared, row.messages + row.rejected[row.shared :]

    prompt: list[str] = []
    words: list[str] = []
    opening: list[str] = []
    answered = False

    for number, message in enumerate(messages):
        own = _message_words(message)
        if number < before:
            prompt += own
        if message["role"] != "system":
            words += own

        if message["role"] == "assistant" and not answered:
            answered = True
            if row.rejected is None or number < row.shared:
                opening = words[:]

    if row.text is not None:
        return _RowWords(WORDS_AND_SIGNS.findall(row.text.casefold()), prompt, [])
    return _RowWords(words, prompt, opening)


def _message_words(message: dict) -> list[str]:
    content = message.get("content")
    if not isinstance(content, str):
        content = repr(content)

    words = WORDS_AND_SIGNS.findall(content.casefold())
    for call in message.get("tool_calls") or []:
        words += WORDS_AND_SIGNS.findall(repr(call.get("function")).casefold())
    return words


def _bytes(words: Sequence[str]) -> bytes:
    return " ".join(words).encode("utf-8", "surrogatepass")


def _digest(text: bytes) -> bytes:
    """16 bytes; empty for an empty text, which is like no other."""
    if text:
        return hashlib.blake2b(text, digest_size=16).digest()
    return b""


def _digests(texts: Iterable[list[str]]) -> np.ndarray:
    """One for each list of words."""
    return np.array([_digest(_bytes(words)) for words in texts], "S16")


def _group_digest(group: Hashable | None) -> bytes:
    if group is None:
        return b""
    return _digest(b"group " + str(group).encode("utf-8", "surrogatepass"))


def shingles(texts: Iterable[Sequence[str]]) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of all 3-word shingles, flat, and where each text's begin. A shorter text is one shingle."""
    known: dict[str, int] = {}
    word_ids: list[int] = []

    counts: list[int] = []
    for text in texts:
        words = [*(text or [""]), *[""] * (SHINGLE - max(1, len(text)))]
        word_ids += [known.setdefault(word, len(known)) for word in words]
        counts.append(len(words))

    hash_W = np.frombuffer(b"".join(map(word_hash, known)), dtype=np.uint64)[np.asarray(word_ids)]
    factors = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], dtype=np.uint64)
    mixed = hash_W[:-2] * factors[0] + hash_W[1:-1] * factors[1] + hash_W[2:] * factors[2]
    first = np.concatenate(([0], np.cumsum(counts)[:-1]))
    size = np.asarray(counts) - (SHINGLE - 1)
    begins = np.concatenate(([0], np.cumsum(size)[:-1]))
    place = np.arange(int(size.sum())) + np.repeat(first - begins, size)

    return mixed[place], begins


def _signatures(flat: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """MinHash signature of each text: R x HASHES, the smallest of each hash over the text's shingles."""
    rng = np.random.default_rng(20_250_101)
    multiply = rng.integers(1, 2**63, HASHES, dtype=np.uint64) | np.uint64(1)
    add = rng.integers(0, 2**63, HASHES, dtype=np.uint64)
    signature_RH = np.empty((len(begins), HASHES), dtype=np.uint64)

    folded = flat ^ (flat >> np.uint64(29))
    for number in range(HASHES):
        hashed = folded * multiply[number] + add[number]
        signature_RH[:, number] = np.minimum.reduceat(hashed ^ (hashed >> np.uint64(32)), begins)

    return signature_RH


def _bands(signature_RH: np.ndarray) -> np.ndarray:
    """One key for each group of HASHES / BANDS hashes: equal where all hashes of the group are."""
    per_band = HASHES // BANDS
    key_RB = np.zeros((len(signature_RH), BANDS), dtype=np.uint64)
    for number in range(per_band):
        column_RB = signature_RH[:, number::per_band]
        key_RB = (key_RB ^ column_RB) * np.uint64(0x100000001B3) + (key_RB >> np.uint64(31))
    return key_RB
