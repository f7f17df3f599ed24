"""Rows that belong together: one group, one conversation, the same words, or nearly the same words. They stay on one
side of a split.

Near-duplicates: MinHash over 3-word shingles (Broder 1997) finds candidates in bands, the exact Jaccard similarity of
the shingle sets decides. Everything is deterministic and independent of the order of the rows.
"""

from __future__ import annotations

from array import array
from functools import lru_cache

import numpy as np

from whet.data.traits import BANDS, HEAD, Traits

SIMILAR = 0.7
"""Jaccard similarity of two rows' shingles from which they count as near-duplicates."""
COMMON_PROMPT_ROWS, COMMON_PROMPT_SHARE = 10, 0.05
"""A prompt that more rows share than this is an instruction ("Write a poem."), not a repeated question."""
AGREEING = 5
"""Of the BANDS bands, those that must agree before two rows are compared. A pair at 70% agrees in fewer with
probability 0.5%, at 75% 0.03%; most pairs at 40% do, and rows from templates have very many of them."""
REMEMBERED = 500_000
"""Pairs found different that are not compared again in the next band."""
STEP = 64
"""Bytes of the words that are compared at a time where the first ones are equal."""


def clusters(traits: Traits, chosen: np.ndarray | None = None, near_duplicates: bool = True) -> np.ndarray:
    """For each of the `chosen` rows (all, unless given) the smallest position of the rows it belongs together with:
    its own, where it stands alone. Positions count within `chosen`."""
    row_R = np.arange(len(traits)) if chosen is None else np.asarray(chosen)
    union = _Union(len(row_R))
    text_R = traits.column("text")[row_R]
    union.join_equal(traits.column("group")[row_R])
    union.join_equal(text_R)
    union.join_equal(_repeated(traits.column("prompt")[row_R]))
    union.join_equal(_repeated(traits.column("opening")[row_R]))
    if near_duplicates:
        _join_near(traits, row_R, text_R, union)
    return union.roots()


def _repeated(digest_R: np.ndarray) -> np.ndarray:
    """The prompts or openings, without those that so many rows share that they are instructions or greetings."""
    _, number_R, count = np.unique(digest_R, return_inverse=True, return_counts=True)
    common = max(COMMON_PROMPT_ROWS, COMMON_PROMPT_SHARE * len(digest_R))
    return np.where(count[number_R] > common, np.bytes_(b""), digest_R)


class _Union:
    """Disjoint sets with path halving; the root is always the smallest position."""

    def __init__(self, size: int) -> None:
        self.parent = array("q", range(size))

    def root(self, item: int) -> int:
        while self.parent[item] != item:
            self.parent[item] = self.parent[self.parent[item]]
            item = self.parent[item]
        return item

    def roots(self) -> np.ndarray:
        root_R = np.array(self.parent, dtype=np.int64)
        while (root_R != (higher_R := root_R[root_R])).any():
            root_R = higher_R
        return root_R

    def join(self, one: int, other: int) -> None:
        low, high = sorted((self.root(one), self.root(other)))
        self.parent[high] = low

    def join_equal(self, key_R: np.ndarray) -> None:
        """Join positions with equal keys; an empty key joins nothing."""
        _, first, number_R = np.unique(key_R, return_index=True, return_inverse=True)
        again = np.flatnonzero((first[number_R] != np.arange(len(key_R))) & (key_R != b""))
        for position, before in zip(again.tolist(), first[number_R[again]].tolist(), strict=True):
            self.join(before, position)


def _join_near(traits: Traits, row_R: np.ndarray, text_R: np.ndarray, union: _Union) -> None:
    """Every two neighbours of a run of equal band keys are compared, and every member with the run's first."""
    text, first = np.unique(text_R, return_index=True)
    unique = first[text != b""]  # positions, one for each text
    if len(unique) < 2:
        return
    position_U = unique[_by_words(traits, row_R[unique])]

    @lru_cache(maxsize=512)
    def shingles(position: int) -> frozenset[int]:
        return traits.shingles_of(int(row_R[position]))

    def similar(one: int, other: int) -> bool:
        left, right = shingles(one), shingles(other)
        shared = len(left & right)
        return shared >= SIMILAR * (len(left) + len(right) - shared)

    alike = _Agreement(traits, row_R)
    different = np.zeros(0, dtype=np.int64)
    for band in range(BANDS):
        pairs = _candidates(traits.band(band)[row_R[position_U]], position_U)
        root_R = union.roots()
        pairs = alike(pairs[root_R[pairs[:, 0]] != root_R[pairs[:, 1]]])
        code = pairs.min(axis=1) * len(row_R) + pairs.max(axis=1)
        new = np.flatnonzero(~np.isin(code, different))
        apart = []
        for number in new.tolist():
            one, other = int(pairs[number, 0]), int(pairs[number, 1])
            if union.root(one) == union.root(other):
                continue
            if similar(one, other):
                union.join(one, other)
            else:
                apart.append(int(code[number]))
        different = np.union1d(different, np.array(apart, dtype=np.int64))[:REMEMBERED]


class _Agreement:
    """Of pairs of positions, those whose bands agree often enough. It keeps two bytes of each band in memory."""

    def __init__(self, traits: Traits, row_R: np.ndarray) -> None:
        bands = [traits.band(band)[row_R].astype(np.uint16) for band in range(BANDS)]
        self._key_RB = np.stack(bands, axis=1)

    def __call__(self, pairs: np.ndarray) -> np.ndarray:
        equal = (self._key_RB[pairs[:, 0]] == self._key_RB[pairs[:, 1]]).sum(axis=1)
        return pairs[equal >= AGREEING]


def _candidates(key_U: np.ndarray, position_U: np.ndarray) -> np.ndarray:
    """Pairs of positions, P x 2, from the runs of equal keys."""
    order = np.argsort(key_U, kind="stable")
    sorted_U = key_U[order]
    later = np.flatnonzero(sorted_U[1:] == sorted_U[:-1]) + 1
    begin_U = np.maximum.accumulate(np.where(np.r_[True, sorted_U[1:] != sorted_U[:-1]], np.arange(len(order)), 0))
    neighbours = np.stack([order[later - 1], order[later]], axis=1)
    heads = np.stack([order[begin_U[later]], order[later]], axis=1)
    return position_U[np.concatenate([neighbours, heads[begin_U[later] != later - 1]])]


def _by_words(traits: Traits, row_U: np.ndarray) -> np.ndarray:
    """The order of rows by their words, whatever their place in the file. All words are different.

    Only the first bytes of the words are in memory; where they are equal, more is read from disk, a step at a time.
    """
    head_U, length_U = traits.column("head")[row_U], traits.column("length")[row_U]
    order = np.lexsort((length_U, head_U))
    opens = np.r_[True, head_U[order][1:] != head_U[order][:-1]]  # begins a group of equal beginnings
    offset = HEAD
    while True:
        group = np.cumsum(opens)
        tied = np.flatnonzero((np.bincount(group)[group] > 1) & (length_U[order] > offset))
        if not len(tied):
            return order
        member = order[tied]
        part = np.array([traits.words_at(int(row), offset, STEP) for row in row_U[member]], dtype=f"S{STEP}")
        inner = np.lexsort((length_U[member], part, group[tied]))
        order[tied], part = member[inner], part[inner]
        opens[tied[1:]] |= part[1:] != part[:-1]
        opens[tied[np.r_[True, np.diff(tied) > 1]]] = True  # what stands before it has ended already
        offset += STEP
