"""The split as it is defined, with every row and every text in memory: what whet/data/split/parts.py must agree
with."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from itertools import combinations

import numpy as np

from whet.errors import DataError
from whet.recipe.schema import Split
from whet.types import Row

SIMILAR = 0.7
"""Jaccard similarity of two rows' shingles from which they count as near-duplicates."""
HASHES, BANDS = 96, 32
"""Three hashes a band: a pair of similarity 0.7 is missed with probability (1 - 0.7**3)**32 = 2e-6."""
SHINGLE = 3
COMMON_PROMPT_ROWS, COMMON_PROMPT_SHARE = 10, 0.05
"""A first exchange that more rows share than this is a greeting."""
LARGE = 0.1
"""More than this share of all rows cannot be held out together."""

_WORD = re.compile(r"\w+|[^\w\s]")


def clusters(rows: Sequence[Row], near_duplicates: bool = True) -> list[int]:
    """For each row the smallest position of the rows it belongs together with (its own, where it stands alone)."""
    union = _Union(len(rows))
    texts = [" ".join(words_of(row)) for row in rows]
    union.join_equal([None if row.group is None else ("group", row.group) for row in rows])
    union.join_equal(texts)
    union.join_equal(_prompts([_prompt(row) for row in rows]))
    union.join_equal(_without_common([_opening(row) for row in rows]))
    if near_duplicates:
        _join_near(texts, union)
    plain = [union.root(position) for position in range(len(rows))]
    _join_templates(rows, union)
    members: dict[int, list[int]] = defaultdict(list)
    for position in range(len(rows)):
        members[union.root(position)].append(position)
    roots = [union.root(position) for position in range(len(rows))]
    for together in members.values():  # templates that chain small clusters to one too large are not believed
        largest = max(Counter(plain[position] for position in together).values())
        if len(together) > max(LARGE * len(rows), 2 * largest):
            for position in together:
                roots[position] = plain[position]
    return roots


def words_of(row: Row) -> list[str]:
    """The words of a row, prompt and answer, without case, punctuation kept as words of its own."""
    if row.text is not None:
        return _WORD.findall(row.text.casefold())
    return [word for message in row.messages if message["role"] != "system" for word in _message_words(message)]


def content_hash(row: Row) -> str:
    """sha256 over everything that is learned or shown: equal for equal rows, wherever they stand in the file."""
    messages = [sorted(message.items(), key=lambda item: item[0]) for message in row.messages]
    content = repr((row.text, messages, row.tools, row.label))
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


def _message_words(message: dict) -> list[str]:
    """Of a message of words alone; what a call of a tool says is stated by example in test_parts.py."""
    assert message.keys() == {"role", "content"} and isinstance(message["content"], str), message
    return _WORD.findall(message["content"].casefold())


def _prompt(row: Row) -> str:
    return " ".join(word for message in row.messages[:-1] for word in _message_words(message))


def _opening(row: Row) -> str:
    """All up to the first answer, without the system prompt."""
    words: list[str] = []
    for message in row.messages:
        words += _message_words(message) if message["role"] != "system" else []
        if message["role"] == "assistant":
            return " ".join(words)
    return ""


def _prompts(texts: Sequence[str]) -> list[Hashable]:
    """All prompts, but where most rows have prompts that more than a tenth share, those not."""
    counts = Counter(texts)
    large = {text for text in texts if text and counts[text] > max(1, LARGE * len(texts))}
    if 2 * sum(text in large for text in texts) <= len(texts):
        return list(texts)
    return [None if text in large else text for text in texts]


def _join_templates(rows: Sequence[Row], union: _Union) -> None:
    """Frames, with one run of up to three small words left open where three frames need it, and passages."""
    frames = [_frame(row) for row in rows]
    most = LARGE * len(rows)
    plain, open_ = _Union(len(rows)), _Union(len(rows))
    for found in (plain, open_):
        found.join_equal([" ".join(whole) for whole, _ in frames])
        found.join_equal([" ".join(asked) for _, asked in frames])
    members: dict[Hashable, dict[str, int]] = defaultdict(dict)
    for position, (_, asked) in enumerate(frames):
        if 6 < len(asked) <= 40:
            for first, last in combinations(range(len(asked) + 1), 2):
                left = sum(word.isalpha() for word in asked[:first] + asked[last:])
                if last - first <= 3 and all(word.isalpha() for word in asked[first:last]) and left >= 6:
                    members[tuple(asked[:first]), tuple(asked[last:])].setdefault(" ".join(asked), position)
    for found in members.values():
        if len(found) >= 3:
            first, *others = found.values()
            for other in others:
                open_.join(first, other)
    size = Counter(open_.root(position) for position in range(len(rows)))
    root = [open_.root(p) if size[open_.root(p)] <= most else plain.root(p) for p in range(len(rows))]
    size = Counter(root)
    for position, its in enumerate(root):
        if size[its] <= most:
            union.join(its, position)
    having: dict[str, list[int]] = defaultdict(list)
    for position, row in enumerate(rows):
        for line in _passages(row):
            having[line].append(position)
    for positions in having.values():
        if len(positions) <= most:
            for position in positions:
                union.join(positions[0], position)


def _frame(row: Row) -> tuple[list[str], list[str]]:
    """(prompt and answer, prompt alone) with gaps; empty where they are no frame. Of rows without rejected answers."""
    if row.text is not None:
        return [], []
    asked, words = _gaps(row.prompt)
    answer, more = _gaps(row.messages[len(row.prompt) :])
    fixed, more_fixed = (sum(word.isalpha() for word in part) for part in (asked, answer))
    if fixed < 4 or fixed < words / 2:
        return [], []
    whole = fixed + more_fixed >= (words + more) / 2
    return asked + answer if whole else [], asked if fixed >= 12 or words >= more else []


def _gaps(messages: Sequence[dict]) -> tuple[list[str], int]:
    text = "\n".join(m["content"] for m in messages if m["role"] != "system")
    words = _WORD.findall(text)
    found: list[str] = []
    for word in words:
        if re.match(r"\w", word) and (not word.isalpha() or (word[0].isupper() and word != "I")):
            found += ["_gap_"] if found[-1:] != ["_gap_"] else []
        else:
            found.append(word.casefold())
    return found, sum(bool(re.match(r"\w", word)) for word in words)


def _passages(row: Row) -> list[str]:
    text = "\n".join("" if m["role"] == "system" else m["content"] for m in row.prompt)
    lines = {line for line in text.split("\n") if len(line.split()) >= 20}
    return sorted(lines, key=lambda line: (-len(line), line))[:2]


def _without_common(texts: Sequence[str]) -> list[Hashable]:
    common = max(COMMON_PROMPT_ROWS, COMMON_PROMPT_SHARE * len(texts))
    counts = Counter(texts)
    return [None if counts[text] > common else text for text in texts]


class _Union:
    """Disjoint sets: of each position the smallest of its set, written down anew for all with every join."""

    def __init__(self, size: int) -> None:
        self.smallest = list(range(size))

    def root(self, item: int) -> int:
        return self.smallest[item]

    def join(self, one: int, other: int) -> None:
        both = {self.smallest[one], self.smallest[other]}
        self.smallest = [min(both) if its in both else its for its in self.smallest]

    def join_equal(self, keys: Iterable[Hashable]) -> None:
        """Join positions with equal keys; None and '' join nothing."""
        first: dict[Hashable, int] = {}
        for position, key in enumerate(keys):
            if key is not None and key != "":
                self.join(first.setdefault(key, position), position)


def _join_near(texts: Sequence[str], union: _Union) -> None:
    unique = {text: position for position, text in reversed(list(enumerate(texts))) if text}
    ordered = sorted(unique)  # by words, not by place in the file
    if len(ordered) < 2:
        return
    flat, begins = _shingles(ordered)
    signature_UH = _signatures(flat, begins)
    ends = np.append(begins[1:], len(flat))

    @lru_cache(maxsize=100_000)
    def shingles(number: int) -> frozenset[int]:
        return frozenset(flat[begins[number] : ends[number]].tolist())

    def similar(one: int, other: int) -> bool:
        left, right = shingles(one), shingles(other)
        shared = len(left & right)
        return shared >= SIMILAR * (len(left) + len(right) - shared)

    def check(one: int, other: int) -> None:
        left, right = unique[ordered[one]], unique[ordered[other]]
        if union.root(left) != union.root(right) and similar(one, other):
            union.join(left, right)

    per_band = HASHES // BANDS
    for band in range(BANDS):
        key_U = _mix(signature_UH[:, band * per_band : (band + 1) * per_band])
        order = np.argsort(key_U, kind="stable")
        same = np.flatnonzero(key_U[order][1:] == key_U[order][:-1])
        head = -1
        for place in same.tolist():
            one, other = int(order[place]), int(order[place + 1])
            if head < 0 or key_U[head] != key_U[other]:
                head = one  # first of a run of equal keys: every member is compared with it and with its neighbour
            check(one, other)
            if head != one:
                check(head, other)


def _shingles(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of all 3-word shingles, flat, and where each text's begin. A shorter text is one shingle."""
    known: dict[str, int] = {}
    word_ids: list[int] = []
    counts: list[int] = []
    for text in texts:
        words = text.split(" ")
        words += [""] * (SHINGLE - len(words))
        word_ids += [known.setdefault(word, len(known)) for word in words]
        counts.append(len(words))
    digests = b"".join(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest() for word in known)
    hash_W = np.frombuffer(digests, dtype=np.uint64)[np.asarray(word_ids)]
    factors = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], dtype=np.uint64)
    mixed = hash_W[:-2] * factors[0] + np.roll(hash_W, -1)[:-2] * factors[1] + np.roll(hash_W, -2)[:-2] * factors[2]
    first = np.concatenate(([0], np.cumsum(counts)[:-1]))
    size = np.asarray(counts) - (SHINGLE - 1)
    begins = np.concatenate(([0], np.cumsum(size)[:-1]))
    place = np.arange(int(size.sum())) + np.repeat(first - begins, size)
    return mixed[place], begins


def _signatures(flat: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """MinHash signature of each text: U x HASHES, the smallest of each hash over the text's shingles."""
    rng = np.random.default_rng(20_250_101)
    multiply = rng.integers(1, 2**63, HASHES, dtype=np.uint64) | np.uint64(1)
    add = rng.integers(0, 2**63, HASHES, dtype=np.uint64)
    signature_UH = np.empty((len(begins), HASHES), dtype=np.uint64)
    for number in range(HASHES):
        hashed = (flat ^ (flat >> np.uint64(29))) * multiply[number] + add[number]
        signature_UH[:, number] = np.minimum.reduceat(hashed ^ (hashed >> np.uint64(32)), begins)
    return signature_UH


def _mix(part_UB: np.ndarray) -> np.ndarray:
    key_U = np.zeros(len(part_UB), dtype=np.uint64)
    for column in part_UB.T:
        key_U = (key_U ^ column) * np.uint64(0x100000001B3) + (key_U >> np.uint64(31))
    return key_U


@dataclass(slots=True)
class Parts:
    """Positions in the list of rows, ascending. No row is in two parts, and none is missing."""

    train: list[int] = field(default_factory=list)
    validation: list[int] = field(default_factory=list)
    test: list[int] = field(default_factory=list)


def split(rows: Sequence[Row], settings: Split, seed: int, *, own_test: bool = False) -> Parts:
    """Hold out a test and a validation part. With `own_test` only a validation part.

    Groups, duplicates and near-duplicates stay together; where rows have labels, every label is held out in
    proportion. Raises DataError when all belong together.
    """
    wanted_test = 0 if own_test else size_of(settings.test, settings.max_test, len(rows))
    wanted_validation = size_of(settings.validation, settings.max_validation, len(rows))
    assert len(rows) > wanted_test + wanted_validation, "too few rows: what is said then has tests of its own"
    members: dict[int, list[int]] = defaultdict(list)
    for position, root in enumerate(clusters(rows, settings.near_duplicates)):
        members[root].append(position)
    hashes = [content_hash(row) for row in rows]
    pool = sorted((_Cluster.of(rows, positions, hashes, seed) for positions in members.values()), key=lambda c: c.key)
    testable = [cluster for cluster in pool if cluster.answered]
    test = _take(testable, wanted_test, len(rows), "test")
    taken = {cluster.key for cluster in test}
    validation = _take([c for c in pool if c.key not in taken], wanted_validation, len(rows), "validation")
    held = {position for cluster in (*test, *validation) for position in cluster.positions}
    return Parts(
        train=[position for position in range(len(rows)) if position not in held],
        validation=sorted(position for cluster in validation for position in cluster.positions),
        test=sorted(position for cluster in test for position in cluster.positions),
    )


def size_of(share: float, largest: int, rows: int) -> int:
    """A share below 1 in rows (the nearest number, of two the even one; at least one, at most `largest`); from 1 on a
    number of rows."""
    if not share or share >= 1:
        return int(share)
    wanted = share * rows
    nearest = min(range(rows + 1), key=lambda number: (abs(wanted - number), number % 2))
    return sorted((1, nearest, largest))[1]


@dataclass(frozen=True, slots=True)
class _Cluster:
    key: str
    """Orders clusters by content and seed alone."""
    positions: tuple[int, ...]
    label: str
    answered: bool
    """Every row ends in an answer of words, so that it can be scored."""

    @staticmethod
    def of(rows: Sequence[Row], positions: list[int], hashes: Sequence[str], seed: int) -> _Cluster:
        first = min(positions, key=lambda position: hashes[position])
        key = hashlib.sha256(f"{seed} {hashes[first]}".encode()).hexdigest() + f"{positions[0]:012d}"
        answered = all(rows[position].reference.strip() for position in positions)
        return _Cluster(key, tuple(positions), rows[first].label or "", answered)


def _take(pool: Sequence[_Cluster], wanted: int, rows: int, part: str) -> list[_Cluster]:
    """About `wanted` rows, in proportion to the labels; whole clusters in the order of their keys."""
    if not wanted:
        return []
    pool = sorted(pool, key=lambda cluster: len(cluster.positions) > max(1, wanted // 6))  # small ones first; stable
    strata: dict[str, list[_Cluster]] = defaultdict(list)
    for cluster in pool:
        strata[cluster.label].append(cluster)
    quotas = _quotas({label: sum(len(c.positions) for c in group) for label, group in strata.items()}, wanted)
    taken: list[_Cluster] = []
    for label in sorted(strata):
        taken += _fill(strata[label], quotas[label])
    missing = wanted - sum(len(cluster.positions) for cluster in taken)
    if missing > wanted / 2:
        taken += _fill([cluster for cluster in pool if cluster not in taken], missing)
    if not taken and pool:  # every cluster is larger than the part: the smallest, if most rows are left to learn from
        smallest = min(pool, key=lambda cluster: (len(cluster.positions), cluster.key))
        taken = [smallest] if len(smallest.positions) <= rows // 3 else []
    if not taken:
        raise DataError(
            f"no rows can be held out for {part}: all rows are one group or near-duplicates of each other, "
            "or none ends in an answer",
            fix="bring more varied rows; or set split: {near_duplicates: false}, or "
            f"split: {{{part}: 0}} to go without",
        )
    return taken


def _fill(pool: Sequence[_Cluster], room: int) -> list[_Cluster]:
    taken = []
    for cluster in pool:
        if len(cluster.positions) <= room:
            taken.append(cluster)
            room -= len(cluster.positions)
    return taken


def _quotas(sizes: dict[str, int], wanted: int) -> dict[str, int]:
    """Shares of `wanted` by largest remainder: the whole rows of each exact share, and each row that is left to the
    label that lacks most; ties by label."""
    exact = {label: Fraction(wanted * size, sum(sizes.values())) for label, size in sizes.items()}
    quotas = {label: share.numerator // share.denominator for label, share in exact.items()}
    while sum(quotas.values()) < wanted:
        short = min(sorted(exact), key=lambda label: quotas[label] - exact[label])
        quotas[short] += 1
    return quotas
